/* curlew sql: the sqlite3 shell on the index, with the options that it needs next to a server. */
#include "verbs/verbs.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/output.h"
#include "index/query.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int ignore_row(void *ctx, const struct index_column *c, size_t count)
{
	(void)ctx;
	(void)c;
	(void)count;
	return 0;
}

enum { SHELL_ARGS = 16 };

/* Exit statuses of the shell, and two for what happens to it. */
enum {
	SHELL_READONLY = 8, /* its own: SQLITE_READONLY, after a statement that would write */
	SHELL_MUTE = 126,   /* its output could not be written */
	SHELL_ABSENT = 127
};

static void make_command(const struct conf *conf, const char *index, const char *argv[SHELL_ARGS])
{
	size_t n = 0;
	argv[n++] = "sqlite3";
	argv[n++] = "-init"; /* not ~/.sqliterc, which may change the output */
	argv[n++] = "/dev/null";
	argv[n++] = "-cmd";
	argv[n++] = ".timeout 5000";
	argv[n++] = isatty(STDOUT_FILENO) ? "-box" : "-tabs";
	if (!conf_flag(conf, "write"))
		argv[n++] = "-readonly";
	argv[n++] = index;
	if (conf_operand(conf, 0) != NULL)
		argv[n++] = conf_operand(conf, 0);
	argv[n] = NULL;
}

/* Copies the output of the shell, which does not report write errors. */
static int copy_output(int from)
{
	char bytes[16 << 10];
	ssize_t n;
	int rc = 0;
	while (rc == 0 && ((n = read(from, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR)))
		rc = n > 0 ? output_write(STDOUT_FILENO, bytes, (size_t)n) : 0;
	if (rc != 0)
		log_say("standard output: %s", strerror(errno));
	return rc;
}

/* The exit status of the shell; -1 when there is none. Signals from the keyboard are only for the shell. */
static int run_shell(const char *const argv[])
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
	bool people = isatty(STDOUT_FILENO);
	int status, pipe_fds[2] = {-1, -1}, copied = 0;
	if (!people && pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -1;
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	pid_t shell = fork();
	if (shell == 0) {
		sigaction(SIGINT, &interrupt, NULL);
		sigaction(SIGQUIT, &quit, NULL);
		signal(SIGXFSZ, SIG_DFL); /* which main() ignores */
		if (!people)
			dup2(pipe_fds[1], STDOUT_FILENO);
		output_make_blocking();
		execvp(argv[0], (char *const *)(void *)argv);
		_exit(SHELL_ABSENT);
	}
	if (!people) {
		close(pipe_fds[1]);
		copied = shell > 0 ? copy_output(pipe_fds[0]) : 0;
		close(pipe_fds[0]);
	}
	while (shell > 0 && waitpid(shell, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	if (shell > 0 && copied == 0 && WIFSIGNALED(status))
		raise(WTERMSIG(status)); /* so that an interrupted script ends */
	return shell < 0           ? -1
	       : copied != 0       ? SHELL_MUTE
	       : WIFEXITED(status) ? WEXITSTATUS(status)
				   : 128 + WTERMSIG(status);
}

static int open_shell(const struct conf *conf)
{
	struct buf path, why;
	const char *argv[SHELL_ARGS];
	int status = -1;
	buf_init(&path, BUF_LINE);
	buf_init(&why, BUF_LINE);
	buf_addf(&path, "%s/index.db", conf_cache_dir(conf));
	if (index_query(conf_cache_dir(conf), "SELECT 1", NULL, 0, ignore_row, NULL, &why) != 0) {
		log_say("sql: %s", buf_str(&why));
	} else {
		make_command(conf, buf_str(&path), argv);
		status = run_shell(argv);
		if (status < 0)
			log_say("sql: sqlite3: %s", strerror(errno));
		else if (status == SHELL_ABSENT)
			log_say("sql: sqlite3: not found (install the shell; Debian: apt-get install sqlite3)");
		else if (status != 0 && status != SHELL_MUTE && !conf_flag(conf, "write") &&
			 (status == SHELL_READONLY || conf_operand(conf, 0) == NULL))
			log_say("sql: the index was opened read-only (give --write to change it)");
	}
	buf_fini(&why);
	buf_fini(&path);
	return status == 0 ? VERB_DONE : VERB_ERROR;
}

int verb_sql(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_SQL, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = VERB_USAGE;
	if (conf_operands(conf) > 1)
		log_say("sql: more than one STATEMENT (put it in quotes)");
	else
		status = open_shell(conf);
	conf_free(conf);
	return status;
}

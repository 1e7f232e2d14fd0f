/* curlew sql: the sqlite3 shell on the index, with the manners it needs beside a server. */
#include "verbs/verbs.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/log.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ignore_row(void *ctx, const struct store_column *c, size_t count)
{
	(void)ctx;
	(void)c;
	(void)count;
	return 0;
}

static int open_shell(const struct conf *conf)
{
	struct buf path, why;
	const char *argv[16];
	size_t n = 0;
	buf_init(&path, BUF_LINE);
	buf_init(&why, BUF_LINE);
	buf_addf(&path, "%s/index.db", conf_cache_dir(conf));
	if (store_query(conf_cache_dir(conf), "SELECT 1", NULL, 0, ignore_row, NULL, &why) != 0) {
		log_say("sql: %s", buf_str(&why));
		goto out;
	}
	argv[n++] = "sqlite3";
	argv[n++] = "-init"; /* not ~/.sqliterc: what it says may change what is printed */
	argv[n++] = "/dev/null";
	argv[n++] = "-cmd";
	argv[n++] = ".timeout 5000";
	argv[n++] = isatty(STDOUT_FILENO) ? "-box" : "-tabs";
	if (!conf_flag(conf, "write"))
		argv[n++] = "-readonly";
	argv[n++] = buf_str(&path);
	if (conf_operand(conf, 0) != NULL)
		argv[n++] = conf_operand(conf, 0);
	argv[n] = NULL;
	execvp(argv[0], (char *const *)(void *)argv);
	log_say("sql: sqlite3: %s (install the shell; Debian: apt-get install sqlite3)", strerror(errno));
out: /* only what fails comes here */
	buf_fini(&why);
	buf_fini(&path);
	return VERB_TROUBLE;
}

int verb_sql(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_SQL, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = VERB_USAGE;
	if (conf_operands(conf) > 1)
		log_say("sql: one STATEMENT at most (put it in quotes)");
	else
		status = open_shell(conf);
	conf_free(conf);
	return status;
}

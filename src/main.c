/* curlew: a caching HTTP proxy whose cache opens with the sqlite3 shell. This file only finds the verb. */
#include "base/log.h"
#include "base/output.h"
#include "fetch/engine.h"
#include "verbs/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
    {"serve", verb_serve, "serve the cache over HTTP"},
    {"get", verb_get, "get a URL through the cache"},
    {"ls", verb_ls, "list stored responses"},
    {"show", verb_show, "show all that is known about a stored URL"},
    {"cat", verb_cat, "print the stored body of a URL"},
    {"explain", verb_explain, "explain what the next request for a URL would do"},
    {"purge", verb_purge, "remove stored responses"},
    {"pin", verb_pin, "protect stored responses from eviction"},
    {"unpin", verb_unpin, "undo pin"},
    {"rekey", verb_rekey, "give stored responses other URLs"},
    {"rule", verb_rule, "list, add, remove and test rules"},
    {"stats", verb_stats, "sum up what is stored, and what the cache saved"},
    {"sql", verb_sql, "open the index with the sqlite3 shell"},
    {"gc", verb_gc, "remove files without a row"},
    {"verify", verb_verify, "check every row and every file"},
    {"backup", verb_backup, "copy the cache"},
    {"restore", verb_restore, "fill an empty cache from a backup"},
    {"config", verb_config, "print the settings and where each came from"},
};

static void print_help(FILE *to)
{
	fprintf(to, "Usage: curlew VERB [OPTIONS]\n\nA caching HTTP proxy. The cache is a SQLite index and plain "
		    "files.\n\nVerbs:\n");
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	fprintf(to, "\n`curlew VERB --help` describes one verb.\n\nExamples:\n"
		    "  curlew serve &\n"
		    "  curl localhost:8899/example.com/\n"
		    "  sqlite3 ~/.cache/curlew/index.db 'select * from v_entry'\n");
}

/* Output that was not written, for example to a full disk, is an error. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_say("standard output: %s", strerror(errno));
	return status == 0 ? 1 : status;
}

static int run_verb(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[0], verbs[i].name) == 0)
			return verbs[i].run(argc, argv);
	log_say("%s: %s (see `curlew --help`)", argv[0],
	    argv[0][0] == '-' ? "options come after the verb" : "no such verb");
	return 2;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
	if (help && argc > 2) /* curlew help VERB */
		return run_verb(2, (char *[]){argv[2], "--help", NULL});
	if (help) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("curlew %s (%s)\n", CURLEW_VERSION, engine_libraries());
		return 0;
	}
	return run_verb(argc - 1, argv + 1);
}

/* If a descriptor from 0 to 2 is closed, the next file to be opened gets its number, and output would be written into a
 * file of the cache. So these numbers are taken, by a descriptor whose use fails. */
static int hold_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	if (hold_standard_descriptors() < 0 || output_open_streams() != 0)
		return 1;
	/* A write beyond the limit on file sizes (ulimit -f) then fails with EFBIG, and does not end the process. */
	signal(SIGXFSZ, SIG_IGN);
	return finish(run(argc, argv));
}

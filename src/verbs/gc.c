/* curlew gc: a store opened for its keeper's sake, until there is nothing left to reclaim. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/stats.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int keep_number(void *ctx, const struct store_column *c, size_t count)
{
	(void)count;
	*(int64_t *)ctx = c[0].text != NULL ? strtoll(c[0].text, NULL, 10) : 0;
	return 0;
}

static int ask_number(const char *dir, const char *sql, int64_t *n, struct buf *why)
{
	return store_query(dir, sql, NULL, 0, keep_number, n, why);
}

/* The keeper of this store, or of a server that reclaims at the moment, empties the trash; here it is only watched. */
static int wait_until_empty(const char *dir, struct buf *why)
{
	int64_t left = 0, most = 0;
	struct timespec pause = {0, 20000000};
	int rc;
	while ((rc = ask_number(dir, "SELECT count(*) FROM trash", &left, why)) == 0 && left > 0) {
		most = left > most ? left : most;
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%" PRId64 " files left ", left);
		nanosleep(&pause, NULL);
	}
	if (most > 0 && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return rc;
}

static int collect(const char *dir)
{
	struct buf why;
	int64_t trash = 0;
	struct store_config config = {.dir = dir};
	buf_init(&why, BUF_LINE);
	int status = VERB_TROUBLE;
	struct store *store = NULL;
	if (ask_number(dir, "SELECT count(*) FROM trash", &trash, &why) == 0 && (store = store_open(&config, &why)) != NULL) {
		store_settle(store);
		status = wait_until_empty(dir, &why) == 0 ? VERB_DONE : VERB_TROUBLE;
		store_close(store);
	}
	if (status == VERB_DONE && isatty(STDOUT_FILENO))
		printf("%" PRId64 " %s reclaimed\n", stats_get(STATS_BODIES_DROPPED), stats_get(STATS_BODIES_DROPPED) == 1 ? "file" : "files");
	else if (status == VERB_DONE)
		printf("reclaimed\t%" PRId64 "\n", stats_get(STATS_BODIES_DROPPED));
	else
		log_say("gc: %s", buf_str(&why));
	buf_fini(&why);
	return status;
}

int verb_gc(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_GC, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = VERB_USAGE;
	if (conf_operands(conf) > 0)
		log_say("gc: %s: no operands are wanted", conf_operand(conf, 0));
	else
		status = collect(conf_cache_dir(conf));
	conf_free(conf);
	return status;
}

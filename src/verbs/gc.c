/* curlew gc opens a store and waits until its maintenance thread has nothing left to remove. */
#include "verbs/verbs.h"

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/stats.h"
#include "index/query.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int store_number(void *ctx, const struct index_column *c, size_t count)
{
	(void)count;
	*(int64_t *)ctx = c[0].text != NULL ? strtoll(c[0].text, NULL, 10) : 0;
	return 0;
}

static int read_number(const char *dir, const char *sql, int64_t *n, struct buf *why)
{
	return index_query(dir, sql, NULL, 0, store_number, n, why);
}

#define PAUSE_MS 20
#define PATIENCE_S 10 /* without progress; then something keeps the files from being removed */

/* The maintenance thread of this store, or of a running server, removes the files. This only waits for it. */
static int wait_until_clean(const char *dir, const struct store *store, struct buf *why)
{
	bool terminal = isatty(STDERR_FILENO), shown = false;
	int64_t left = 0, before = INT64_MAX, waited_ms = 0;
	int rc;
	while ((rc = read_number(dir, "SELECT count(*) FROM trash", &left, why)) == 0 &&
	       (left > 0 || !store_swept(store))) {
		waited_ms = left < before || !store_swept(store) ? 0 : waited_ms + PAUSE_MS;
		before = left;
		if (waited_ms > PATIENCE_S * 1000) {
			buf_addf(why,
			    "%s: %" PRId64 " files cannot be removed (a backup may be running, or permissions are "
			    "missing; try again later)",
			    dir, left);
			rc = -1;
			break;
		}
		if (terminal && left > 0) {
			fprintf(stderr, "\r%" PRId64 " files left ", left);
			shown = true;
		}
		clock_pause_us(PAUSE_MS * 1000);
	}
	if (shown)
		fputs("\r\033[K", stderr);
	return rc;
}

/* A running server may have removed some of them: then the number of files in the trash counts. */
static void report(int64_t trash)
{
	int64_t mine = stats_get(STATS_BODIES_DROPPED), gone = mine > trash ? mine : trash;
	if (isatty(STDOUT_FILENO))
		printf("%" PRId64 " %s reclaimed\n", gone, gone == 1 ? "file" : "files");
	else
		printf("reclaimed\t%" PRId64 "\n", gone);
}

static int collect(const char *dir)
{
	struct buf why;
	int64_t trash = 0;
	struct store_config config = {.dir = dir};
	buf_init(&why, BUF_LINE);
	int rc = -1;
	struct store *store = NULL;
	if (read_number(dir, "SELECT count(*) FROM trash", &trash, &why) == 0 &&
	    (store = store_open(&config, &why)) != NULL)
		rc = wait_until_clean(dir, store, &why);
	store_close(store);
	if (rc == 0)
		report(trash);
	else
		log_say("gc: %s", buf_str(&why));
	buf_fini(&why);
	return rc == 0 ? VERB_DONE : VERB_ERROR;
}

int verb_gc(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_GC, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = VERB_USAGE;
	if (conf_operands(conf) > 0)
		log_say("gc: %s: not expected (see `curlew gc --help`)", conf_operand(conf, 0));
	else
		status = collect(conf_cache_dir(conf));
	conf_free(conf);
	return status;
}

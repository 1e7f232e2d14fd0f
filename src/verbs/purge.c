/* purge, pin and unpin: one statement for each selected row. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/edit.h"
#include "index/purging.h"
#include "verbs/filter.h"
#include "verbs/listing.h"
#include "verbs/purge_to.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct action {
	const char *verb;
	const char *sql;          /* NULL: a purge */
	const char *done, *would; /* "removed", "would be removed" */
	enum purging_how how;
};

static const struct action purge = {"purge", NULL, "removed", "would be removed", PURGING_DELETE};
static const struct action soft = {"purge", NULL, "made stale", "would be made stale", PURGING_VALIDATE};
static const struct action pin = {"pin", "UPDATE entry SET pinned = 1 WHERE id = ?1", "pinned", "would be pinned", 0};
static const struct action unpin = {
    "unpin", "UPDATE entry SET pinned = 0 WHERE id = ?1", "unpinned", "would be unpinned", 0};

static void show_progress(void *ctx, size_t done, size_t count)
{
	(void)ctx;
	fprintf(stderr, "\r%zu of %zu ", done, count);
	if (done == count)
		fputs("\r\033[K", stderr);
}

/* Covers what has no row in entry: fetches in progress, and parts. Both are known by URL, host and tag, but not by age
 * or size. */
static int purge_beyond_rows(
    const char *dir, const struct filter *s, bool dry, struct purging_result *parts, struct buf *why)
{
	struct purging p = {.host = s->host};
	struct buf tags;
	int rc = 0;
	buf_init(&tags, BUF_PAGE);
	if (s->tag != NULL) {
		purging_add_tag(&tags, span_of(s->tag));
		purging_end_tags(&tags);
		p.tags = buf_str(&tags);
	}
	for (size_t i = 0; s->by_url_alone && rc == 0 && (i < s->glob_count || i == 0); i++) {
		p.glob = s->glob_count > 0 ? s->globs[i] : NULL;
		rc = dry ? 0 : purging_announce(dir, &p, why);
		if (rc == 0)
			rc = purging_parts(dir, &p, dry, parts, why);
	}
	buf_fini(&tags);
	return rc;
}

static int change_rows(
    const struct action *action, const char *dir, const struct selected *rows, int64_t *changed, struct buf *why)
{
	void (*progress)(void *, size_t, size_t) = isatty(STDERR_FILENO) && rows->count > 10000 ? show_progress : NULL;
	if (action->sql != NULL)
		return index_change_each(dir, action->sql, rows->ids, rows->count, progress, NULL, changed, why);
	return purging_rows(dir, rows->ids, rows->count, action->how, progress, NULL, changed, why);
}

static void report(const struct action *action, bool dry, bool json, int64_t rows, int64_t bytes)
{
	struct buf size;
	char text[32];
	buf_init(&size, BUF_LINE);
	snprintf(text, sizeof text, "%" PRId64, bytes);
	listing_format(&size, LISTING_BYTES, text);
	if (json)
		printf("{\"rows\": %" PRId64 ", \"bytes\": %" PRId64 ", \"dry_run\": %s}\n", rows, bytes,
		    dry ? "true" : "false");
	else if (isatty(STDOUT_FILENO))
		printf("%" PRId64 " %s %s, %s\n", rows, rows == 1 ? "response" : "responses",
		    dry ? action->would : action->done, buf_str(&size));
	else
		printf("%s\t%" PRId64 "\t%" PRId64 "\n", dry ? action->would : action->done, rows, bytes);
	buf_fini(&size);
}

static int apply(const struct action *action, const struct conf *conf, const struct filter *s)
{
	const char *dir = conf_cache_dir(conf);
	bool dry = conf_flag(conf, "dry-run");
	struct selected rows = {0};
	struct buf why;
	int64_t changed = 0;
	buf_init(&why, BUF_LINE);
	struct purging_result parts = {0, 0};
	int rc = action->sql == NULL ? purge_beyond_rows(dir, s, dry, &parts, &why) : 0;
	if (rc == 0)
		rc = filter_ids(s, dir, &rows, &why);
	if (rc == 0 && rows.count > 0 && !dry)
		rc = change_rows(action, dir, &rows, &changed, &why);
	if (rc != 0)
		log_say("%s: %s", action->verb, buf_str(&why));
	else if (rows.count == 0 && parts.rows == 0)
		log_say("%s: nothing stored matches%s%s", action->verb, buf_str(&s->words),
		    strchr(buf_str(&s->words), '*') != NULL ? " (a GLOB matches the whole URL: '*word*')" : "");
	if (rc == 0 && (conf_flag(conf, "json") || rows.count > 0 || parts.rows > 0))
		report(action, dry, conf_flag(conf, "json"), (dry ? (int64_t)rows.count : changed) + parts.rows,
		    rows.bytes + parts.bytes);
	free(rows.ids);
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : rows.count == 0 && parts.rows == 0 ? VERB_NOTHING : VERB_DONE;
}

static int run(enum conf_verb verb, const struct action *action, int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(verb, argc, argv, &status);
	if (conf == NULL)
		return status;
	struct filter s;
	if (verb == CONF_PURGE && conf_item(conf, "to", 0) != NULL) {
		status = purge_to(conf);
		conf_free(conf);
		return status;
	}
	if (verb == CONF_PURGE && conf_flag(conf, "soft"))
		action = &soft;
	status = VERB_USAGE;
	if (filter_make(&s, conf, action->verb) == 0) {
		if (s.where.len == 0)
			log_say("%s: nothing is selected (give a URL, a GLOB, or options; '*' selects everything)",
			    action->verb);
		else
			status = apply(action, conf, &s);
	}
	filter_free(&s);
	conf_free(conf);
	return status;
}

int verb_purge(int argc, char **argv)
{
	return run(CONF_PURGE, &purge, argc, argv);
}

int verb_pin(int argc, char **argv)
{
	return run(CONF_PIN, &pin, argc, argv);
}

int verb_unpin(int argc, char **argv)
{
	return run(CONF_UNPIN, &unpin, argc, argv);
}

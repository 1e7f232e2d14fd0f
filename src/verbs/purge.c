/* purge, pin and unpin: one statement for each selected row. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/edit.h"
#include "index/query.h"
#include "verbs/filter.h"
#include "verbs/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct action {
	const char *verb;
	const char *sql;
	const char *done, *would; /* "removed", "would be removed" */
	bool purges;
};

static const struct action purge = {"purge", "DELETE FROM entry WHERE id = ?1", "removed", "would be removed", true};
static const struct action soft = {
    "purge", "UPDATE entry SET fresh_until = 0 WHERE id = ?1", "made stale", "would be made stale", false};
static const struct action pin = {
    "pin", "UPDATE entry SET pinned = 1 WHERE id = ?1", "pinned", "would be pinned", false};
static const struct action unpin = {
    "unpin", "UPDATE entry SET pinned = 0 WHERE id = ?1", "unpinned", "would be unpinned", false};

static void show_progress(void *ctx, size_t done, size_t count)
{
	(void)ctx;
	fprintf(stderr, "\r%zu of %zu ", done, count);
	if (done == count)
		fputs("\r\033[K", stderr);
}

/* A row of the table purge keeps fetches in progress from being stored. It has only GLOBs and a host, because the age
 * and size of their responses are not known yet. It is written before rows are selected: a response stored earlier is
 * selected, and one stored later is refused, so none is missed (invariant 8). */
static int forbid_storing(const char *dir, const struct filter *s, struct buf *why)
{
	int rc = 0;
	for (size_t i = 0; s->by_url_alone && rc == 0 && (i < s->glob_count || i == 0); i++) {
		const char *params[] = {s->glob_count > 0 ? s->globs[i] : NULL, s->host};
		rc = index_change(dir, "INSERT INTO purge (url_glob, host) VALUES (?1, ?2)", params, 2, NULL, why);
	}
	return rc;
}

struct parts {
	int64_t count, bytes;
};

static int add_parts(void *ctx, const struct index_column *c, size_t count)
{
	struct parts *p = ctx;
	(void)count;
	p->count += column_size(&c[0]);
	p->bytes += column_size(&c[1]);
	return 0;
}

/* Parts of bodies may have no row in entry, so they are selected by URL and host alone. */
static int purge_parts(const char *dir, const struct filter *s, bool dry, struct parts *parts, struct buf *why)
{
#define MATCHES                                                                                                        \
	" FROM part WHERE (?1 IS NULL OR coalesce(normal_url, url) GLOB ?1) AND (?2 IS NULL OR url GLOB 'http*://' "   \
	"|| ?2 || '[:/]*')"
	char *host = s->host != NULL ? filter_quoted(s->host) : NULL;
	int rc = s->host != NULL && host == NULL ? -1 : 0;
	for (size_t i = 0; s->by_url_alone && rc == 0 && (i < s->glob_count || i == 0); i++) {
		const char *params[] = {s->glob_count > 0 ? s->globs[i] : NULL, host};
		rc = index_query(dir, "SELECT count(*), CAST(total(body_bytes) AS INTEGER)" MATCHES, params, 2,
		    add_parts, parts, why);
		if (rc == 0 && !dry)
			rc = index_change(dir, "DELETE" MATCHES, params, 2, NULL, why);
	}
	free(host);
	return rc;
#undef MATCHES
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
	struct parts parts = {0, 0};
	int rc = action->purges && !dry ? forbid_storing(dir, s, &why) : 0;
	if (rc == 0 && action->purges)
		rc = purge_parts(dir, s, dry, &parts, &why);
	if (rc == 0)
		rc = filter_ids(s, dir, &rows, &why);
	if (rc == 0 && rows.count > 0 && !dry)
		rc = index_change_each(dir, action->sql, rows.ids, rows.count,
		    isatty(STDERR_FILENO) && rows.count > 10000 ? show_progress : NULL, NULL, &changed, &why);
	if (rc != 0)
		log_say("%s: %s", action->verb, buf_str(&why));
	else if (rows.count == 0 && parts.count == 0)
		log_say("%s: nothing stored matches%s%s", action->verb, buf_str(&s->words),
		    strchr(buf_str(&s->words), '*') != NULL ? " (a GLOB matches the whole URL: '*word*')" : "");
	if (rc == 0 && (conf_flag(conf, "json") || rows.count > 0 || parts.count > 0))
		report(action, dry, conf_flag(conf, "json"), (dry ? (int64_t)rows.count : changed) + parts.count,
		    rows.bytes + parts.bytes);
	free(rows.ids);
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : rows.count == 0 && parts.count == 0 ? VERB_NOTHING : VERB_DONE;
}

static int run(enum conf_verb verb, const struct action *action, int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(verb, argc, argv, &status);
	if (conf == NULL)
		return status;
	struct filter s;
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

/*
 * A filter of the command line becomes one or two requests (a GLOB without a scheme is for http and https). Each node
 * gets all of them, one after another; its rows are added. A node that fails does not keep the others from being asked.
 */
#include "verbs/purge_to.h"

#include "base/log.h"
#include "fetch/purge_client.h"
#include "http/groups.h"
#include "http/key.h"
#include "http/url.h"
#include "verbs/listing.h"
#include "verbs/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS = 64, ALL_SITES = 1, GLOB = 2 };

struct requests {
	char *targets[REQUESTS];
	int flags[REQUESTS]; /* ALL_SITES: only the path of the target counts */
	size_t count;
	struct buf fields; /* of every request: "Name: value\n" lines */
};

/* Takes target. 0, or -1 when it is NULL or there are too many (reported). */
static int add(struct requests *r, char *target, int flags)
{
	if (target == NULL || r->count == REQUESTS) {
		log_say("purge: %s", target == NULL ? "out of memory" : "too many GLOBs (give fewer)");
		free(target);
		return -1;
	}
	r->targets[r->count] = target;
	r->flags[r->count++] = flags;
	return 0;
}

static char *join(const char *a, const char *b)
{
	char *text = NULL;
	return asprintf(&text, "%s%s", a, b) < 0 ? NULL : text;
}

/* A GLOB: its host must be written out, or be * for all sites. */
static int add_glob(struct requests *r, const char *glob)
{
	static const char *const schemes[] = {"http://", "https://"};
	const char *mark = strstr(glob, "://"), *rest = mark != NULL ? mark + 3 : glob;
	size_t host = strcspn(rest, "/");
	if (rest[0] == '*' && (host == 1 || rest[1] == '\0'))
		return add(r, join("http://localhost", rest[host] == '/' ? rest + host : "/*"), GLOB | ALL_SITES);
	if (memchr(rest, '*', host) != NULL || rest[host] != '/' ||
	    (mark != NULL && memchr(glob, '*', (size_t)(mark - glob)) != NULL)) {
		log_say(
		    "purge: %s: --to sends a GLOB for one host, or for all: give 'HOST/PATH*', '*/PATH*' or '*'", glob);
		return -1;
	}
	if (mark != NULL)
		return add(r, strdup(glob), GLOB);
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (add(r, join(schemes[i], glob), GLOB) != 0)
			return -1;
	return 0;
}

static int add_operand(struct requests *r, const char *operand)
{
	if (operand[0] == '/')
		return add(r, strdup(operand), strchr(operand, '*') != NULL ? GLOB : 0);
	if (strchr(operand, '*') != NULL)
		return add_glob(r, operand);
	char *url = key_of_url(operand, "http");
	if (url == NULL) {
		log_say("purge: %s: not a URL that can be stored (give http or https with a host, or a GLOB with *)",
		    operand);
		return -1;
	}
	return add(r, url, 0);
}

/* A tag is for whole sites: those of the operands, which must be GLOBs for all of a host, or all of them. */
static int limit_to_tag(struct requests *r, const char *tag)
{
	buf_adds(&r->fields, "Cache-Groups: ");
	if (groups_write(&r->fields, tag) != 0) {
		log_say("purge: --tag %s: --to sends only tags of printable ASCII", tag);
		return -1;
	}
	buf_addc(&r->fields, '\n');
	for (size_t i = 0; i < r->count; i++) {
		size_t n = key_origin(r->targets[i]).len;
		if (strcmp(r->targets[i] + n, "*") != 0) {
			log_say("purge: --tag: --to sends a tag for whole sites (give 'HOST/*', or no GLOB)");
			return -1;
		}
		r->targets[i][n] = '\0';
		r->flags[i] &= ~GLOB;
	}
	return r->count > 0 ? 0 : add(r, strdup("http://localhost/"), ALL_SITES);
}

static int make_requests(struct requests *r, const struct conf *conf)
{
	static const char *const others[] = {"host", "stale", "larger-than", "older-than", "unused-for", "dry-run"};
	const char *tag = conf_text(conf, "tag");
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (!conf_given(conf, others[i]) && !(strcmp(others[i], "stale") == 0 && conf_flag(conf, "stale")))
			continue;
		log_say("purge: --%s cannot be sent with --to (URLs, GLOBs, --tag and --soft can)", others[i]);
		return -1;
	}
	for (size_t i = 0; i < conf_operands(conf); i++)
		if (add_operand(r, conf_operand(conf, i)) != 0)
			return -1;
	if (tag != NULL && limit_to_tag(r, tag) != 0)
		return -1;
	if (conf_flag(conf, "soft"))
		buf_adds(&r->fields, "Soft-Purge: 1\n");
	if (r->count > 0)
		return 0;
	log_say("purge: nothing is selected (give a URL, a GLOB, or --tag; '*' selects everything)");
	return -1;
}

/* --- one node --- */

struct result {
	int64_t rows, bytes;
	struct buf why; /* "": it succeeded */
};

/* The number after "name": in the page; -1: there is none. */
static int64_t number_in(const char *page, const char *name)
{
	char key[32];
	snprintf(key, sizeof key, "\"%s\": ", name);
	const char *at = strstr(page, key);
	return at != NULL ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static void send(const struct requests *r, size_t i, const char *node, struct result *result)
{
	static const char *const lists[] = {
	    "", "X-Purge: all-sites\n", "X-Purge: glob\n", "X-Purge: glob, all-sites\n"};
	struct buf page, fields;
	buf_init(&page, BUF_LINE);
	buf_init(&fields, BUF_LINE);
	buf_addspan(&fields, buf_span(&r->fields));
	buf_adds(&fields, lists[r->flags[i]]);
	int status = purge_client_send(node, r->targets[i], buf_span(&fields), &page, &result->why);
	int64_t rows = number_in(buf_str(&page), "rows"), bytes = number_in(buf_str(&page), "bytes");
	if (status == 200 && rows >= 0 && bytes >= 0) {
		result->rows += rows;
		result->bytes += bytes;
	} else if (status == 200) {
		buf_adds(&result->why, "200, but not from a curlew that knows PURGE");
	} else if (status > 0) {
		struct span text = span_make(buf_str(&page), strcspn(buf_str(&page), "\n"));
		buf_addf(&result->why, "%d: ", status);
		buf_addspan(&result->why, text);
	}
	buf_fini(&fields);
	buf_fini(&page);
}

static const struct listing_column columns[] = {{"NODE", LISTING_TEXT, 32}, {"RESULT", LISTING_TEXT, 8},
    {"ROWS", LISTING_NUMBER, 8}, {"SIZE", LISTING_BYTES, 10}, {"ERROR", LISTING_TEXT, 0}};

static void report(struct listing *t, const char *node, bool soft, const struct result *result)
{
	char rows[24], bytes[24];
	bool failed = result->why.len > 0;
	snprintf(rows, sizeof rows, "%" PRId64, result->rows);
	snprintf(bytes, sizeof bytes, "%" PRId64, result->bytes);
	struct index_column row[] = {{.name = "node", .text = node},
	    {.name = "result",
		.text = failed ? "failed"
			: soft ? "made stale"
			       : "removed"},
	    {.name = "rows", .text = rows, .is_number = true}, {.name = "bytes", .text = bytes, .is_number = true},
	    {.name = "error", .text = failed ? buf_str(&result->why) : NULL}};
	listing_row(t, row, sizeof row / sizeof row[0]);
}

/* True when the node has done it all. */
static bool purge_node(const struct requests *r, const char *node, bool soft, struct listing *t)
{
	struct result result = {0, 0, {0}};
	buf_init(&result.why, BUF_LINE);
	for (size_t i = 0; i < r->count && result.why.len == 0; i++)
		send(r, i, node, &result);
	bool done = result.why.len == 0;
	report(t, node, soft, &result);
	buf_fini(&result.why);
	return done;
}

/* A node is an address, not a page. */
static bool is_node(const char *text)
{
	char *url = strncmp(text, "unix:/", 6) != 0 && strstr(text, "://") != NULL ? key_of_url(text, "http") : NULL;
	bool is = url != NULL ? key_origin(url).len == strlen(url) : strncmp(text, "unix:/", 6) == 0;
	free(url);
	if (!is)
		log_say(
		    "purge: --to %s: not the address of a server (give http://HOST:PORT, https://HOST or unix:/PATH)",
		    text);
	return is;
}

int purge_to(const struct conf *conf)
{
	struct requests r = {.count = 0};
	struct listing t;
	int status = VERB_USAGE;
	bool nodes = true;
	buf_init(&r.fields, BUF_LINE);
	for (size_t i = 0; nodes && conf_item(conf, "to", i) != NULL; i++)
		nodes = is_node(conf_item(conf, "to", i));
	if (nodes && make_requests(&r, conf) == 0) {
		status = VERB_DONE;
		listing_begin(&t, stdout, listing_style_for(conf_flag(conf, "json")), columns,
		    sizeof columns / sizeof columns[0]);
		for (size_t i = 0; conf_item(conf, "to", i) != NULL; i++)
			if (!purge_node(&r, conf_item(conf, "to", i), conf_flag(conf, "soft"), &t))
				status = VERB_ERROR;
		listing_end(&t);
	}
	for (size_t i = 0; i < r.count; i++)
		free(r.targets[i]);
	buf_fini(&r.fields);
	return status;
}

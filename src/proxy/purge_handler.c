#include "proxy/purge_handler.h"

#include "http/field.h"
#include "http/glob.h"
#include "http/groups.h"
#include "proxy/options.h"
#include "proxy/synthetic.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

bool purge_is(const struct exchange *x)
{
	return span_is(x->request->method, "PURGE");
}

bool purge_needs_no_site(const struct exchange *x)
{
	bool has_path = x->context->sites != NULL && span_starts(x->request->target, "/");
	return message_lists(x->request, "X-Purge", "all-sites") && (has_path || groups_are_named(x->request));
}

/* A browser sends Origin with every PURGE that a page makes. */
static bool is_made_by_a_page(const struct head *h)
{
	struct span site = message_find(h, "Sec-Fetch-Site");
	return message_has(h, "Origin") || span_is_nocase(site, "cross-site") || span_is_nocase(site, "same-site");
}

bool purge_is_allowed(struct exchange *x)
{
	if (is_made_by_a_page(x->request))
		synthetic_text(x, 403, NULL, "a page in a browser may not purge (Origin or Sec-Fetch-Site is set)");
	else if (!client_may(&x->client, x->options->conf, "purge-from"))
		synthetic_text(x, 403, NULL,
		    "this client may not purge (name it with --purge-from; the default is the machine of the server, "
		    "and "
		    "not through a proxy)");
	else
		return true;
	x->verdict = "refused";
	return false;
}

struct wish {
	bool glob, all_sites;
	enum purging_how how;
};

/* A sentence why the fields are not understood, or NULL. */
static const char *read_wish(const struct head *h, struct wish *w)
{
	static const char *const soft[] = {"Soft-Purge", "Fastly-Soft-Purge"};
	const struct field *f = NULL;
	struct span member;
	*w = (struct wish){.how = PURGING_DELETE};
	while ((f = message_next(h, span_of("X-Purge"), f)) != NULL) {
		struct span rest = f->value;
		while (field_next(&rest, &member)) {
			bool glob = span_is_nocase(member, "glob"), all = span_is_nocase(member, "all-sites");
			if (!glob && !all)
				return "X-Purge is a list of the words glob and all-sites";
			w->glob = w->glob || glob;
			w->all_sites = w->all_sites || all;
		}
	}
	for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++) {
		struct span value = message_find(h, soft[i]);
		if (span_is(value, "1"))
			w->how = PURGING_STALE;
		else if (value.at != NULL && !span_is(value, "0"))
			return "Soft-Purge and Fastly-Soft-Purge are 1 or 0";
	}
	return NULL;
}

/* The GLOB for the URL of the request: of one URL in all spellings, or the pattern that the client wrote. 0, or -1 with
 * why. */
static int read_path(
    const struct exchange *x, const struct wish *w, const char *url, struct buf *glob, const char **why)
{
	int64_t rule;
	*why = "the pattern has a [ that is never closed (a literal [ is [[])";
	if (w->glob && glob_has_open_bracket(span_of(url)))
		return -1;
	*why = "out of memory";
	if (w->glob && glob_is_wild(url))
		return glob_read(url, "http", glob, why);
	const struct store_rules *rules = store_rules_take(x->context->store, -1);
	char *key = rules_key(rules->rules, url, &rule);
	char *normal = key_normalise(key != NULL ? key : url, "http");
	store_rules_drop(rules);
	if (normal != NULL)
		glob_quote(span_of(normal), glob);
	free(normal);
	free(key);
	return normal != NULL && !glob->failed ? 0 : -1;
}

/* The tags of the request as JSON. 0, or -1 with why. */
static int read_groups(const struct head *h, struct buf *tags, const char **why)
{
	struct buf groups;
	buf_init(&groups, MESSAGE_TEXT_MAX);
	enum groups_read read = groups_read(h, &groups);
	struct span rest = buf_span(&groups), group;
	while (span_next_line(&rest, &group))
		purging_add_tag(tags, group);
	purging_end_tags(tags);
	*why = read == GROUPS_INCOMPLETE ? "a group is longer than 1024 bytes or not ASCII, or there are more than 1000"
	       : read == GROUPS_NO_MEMORY
		   ? "out of memory"
		   : "the request names no group (Cache-Groups is a list of strings: \"a\", \"b\")";
	bool ok = read == GROUPS_ALL && groups.len > 0 && !tags->failed;
	buf_fini(&groups);
	return ok ? 0 : -1;
}

static const char no_url[] = "give the URL of a stored response: its path, or the whole URL at a forward proxy";

struct texts {
	struct buf glob, path, tags;
};

/* The URL of the target; with all-sites, any URL with its path. The caller frees it. NULL: there is none. */
static char *url_of_target(const struct exchange *x, const struct wish *w)
{
	struct buf url;
	if (x->target.url != NULL)
		return strdup(x->target.url);
	if (!w->all_sites)
		return NULL;
	buf_init(&url, BUF_HEAD);
	buf_adds(&url, span_starts(x->request->target, "/") ? "http://localhost" : "");
	buf_addspan(&url, x->request->target);
	char *key = key_of_url(buf_str(&url), "http");
	buf_fini(&url);
	return key;
}

/* The path of the request, on the site of the request or on all sites. 0, or -1 with why. */
static int read_urls(
    const struct exchange *x, const struct wish *w, struct purging *p, struct texts *t, const char **why)
{
	char *url = url_of_target(x, w);
	*why = no_url;
	int rc = url != NULL ? read_path(x, w, url, &t->glob, why) : -1;
	free(url);
	if (rc != 0)
		return -1;
	if (w->all_sites) {
		buf_adds(&t->path, buf_str(&t->glob) + key_origin(buf_str(&t->glob)).len - 1);
		buf_clear(&t->glob);
		buf_addf(&t->glob, "http*://*%s", buf_str(&t->path));
		p->path = buf_str(&t->path);
	}
	p->glob = buf_str(&t->glob);
	*why = "out of memory";
	return t->glob.failed || t->path.failed ? -1 : 0;
}

/* The groups of the request, on the site of the request or on all sites. 0, or -1 with why. */
static int read_by_group(
    const struct exchange *x, const struct wish *w, struct purging *p, struct texts *t, const char **why)
{
	if (read_groups(x->request, &t->tags, why) != 0)
		return -1;
	p->tags = buf_str(&t->tags);
	*why = no_url;
	if (!w->all_sites && x->target.url == NULL)
		return -1;
	if (!w->all_sites) {
		glob_quote(key_origin(x->target.url), &t->glob);
		buf_addc(&t->glob, '*');
		p->glob = buf_str(&t->glob);
	}
	*why = "out of memory";
	return t->glob.failed ? -1 : 0;
}

/* A named site has URLs of both schemes, and the application that purges it speaks plain HTTP. A whole URL says which
 * it means. */
static bool covers_both_schemes(const struct exchange *x, const struct purging *p)
{
	return x->site != NULL && p->path == NULL && p->glob != NULL && span_starts(x->request->target, "/");
}

/* The same purge for the other scheme. */
static int purge_other_scheme(
    struct exchange *x, const struct purging *p, enum purging_how how, struct purging_result *result, struct buf *why)
{
	struct buf glob;
	struct purging other = *p;
	bool secure = strncmp(p->glob, "https", 5) == 0;
	buf_init(&glob, BUF_HEAD);
	buf_addf(&glob, "%s%s", secure ? "http" : "https", p->glob + (secure ? 5 : 4));
	other.glob = buf_str(&glob);
	int rc = !glob.failed ? store_purge(x->context->store, &other, how, result, why) : -1;
	buf_fini(&glob);
	return rc;
}

static void purge(struct exchange *x, const struct purging *p, enum purging_how how)
{
	struct purging_result result = {0, 0};
	struct buf why;
	char page[96];
	buf_init(&why, BUF_LINE);
	if (store_purge(x->context->store, p, how, &result, &why) != 0 ||
	    (covers_both_schemes(x, p) && purge_other_scheme(x, p, how, &result, &why) != 0)) {
		synthetic_text(x, 503, NULL, "%s", buf_str(&why));
	} else {
		int n = snprintf(
		    page, sizeof page, "{\"rows\": %" PRId64 ", \"bytes\": %" PRId64 "}\n", result.rows, result.bytes);
		x->verdict = "purge";
		synthetic_page(x, 200, "application/json", span_make(page, (size_t)n));
	}
	buf_fini(&why);
}

void purge_respond(struct exchange *x)
{
	struct wish w;
	struct purging p = {.glob = NULL};
	struct texts t;
	const char *why = read_wish(x->request, &w);
	buf_init(&t.glob, BUF_HEAD);
	buf_init(&t.path, BUF_HEAD);
	buf_init(&t.tags, BUF_PAGE);
	bool by_group = groups_are_named(x->request);
	int rc = why != NULL ? -1 : by_group ? read_by_group(x, &w, &p, &t, &why) : read_urls(x, &w, &p, &t, &why);
	if (rc == 0)
		purge(x, &p, w.how);
	else
		synthetic_text(x, 400, NULL, "PURGE: %s", why);
	buf_fini(&t.glob);
	buf_fini(&t.path);
	buf_fini(&t.tags);
}

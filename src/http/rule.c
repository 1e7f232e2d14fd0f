/*
 * A set is an array in the order of precedence, so the first matching rule with a value decides each column. Matching
 * is linear: sets are small, and a thousand globs on one URL take some tens of microseconds, on a pool thread.
 */
#include "http/rule.h"

#include "http/glob.h"
#include "http/key.h"
#include "http/status.h"
#include "http/url.h"

#include <stdlib.h>
#include <string.h>

struct rules {
	struct rule *rules;
	size_t count;
};

struct rules *rules_new(void)
{
	return calloc(1, sizeof(struct rules));
}

static void rule_fini(struct rule *r)
{
	free(r->url_glob);
	free(r->ignore_query);
	free(r->tag);
	free(r->statuses);
}

void rules_free(struct rules *s)
{
	for (size_t i = 0; s != NULL && i < s->count; i++)
		rule_fini(&s->rules[i]);
	if (s != NULL)
		free(s->rules);
	free(s);
}

int rules_add(struct rules *s, struct rule *rule)
{
	if ((s->count & (s->count - 1)) == 0) {
		size_t room = s->count == 0 ? 1 : 2 * s->count;
		struct rule *more = realloc(s->rules, room * sizeof *more);
		if (more == NULL) {
			rule_fini(rule);
			return -1;
		}
		s->rules = more;
	}
	s->rules[s->count++] = *rule;
	return 0;
}

static int by_precedence(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

void rules_sort(struct rules *s)
{
	if (s->count > 0)
		qsort(s->rules, s->count, sizeof *s->rules, by_precedence);
}

/* --- judging --- */

/* Is the status one of these? */
static bool is_named(const char *statuses, int status)
{
	for (const char *p = statuses; *p != '\0';) {
		size_t n = strcspn(p, " ");
		if (n == 3 && (p[1] == 'x' ? p[0] - '0' == status / 100 : strtol(p, NULL, 10) == status))
			return true;
		p += n + (p[n] == ' ');
	}
	return false;
}

/* Lifetimes are for pages: an error is not kept by a rule that does not name its status. */
static bool lets_live(const struct rule *r, int status)
{
	return r->statuses != NULL || status < 400 || status_is_heuristic(status);
}

/* Columns that act on the request. */
static void judge_request(const struct rule *r, struct rule_decision *out)
{
	if (out->offline_rule == 0 && r->offline != RULE_SILENT) {
		out->offline = r->offline == 1;
		out->offline_rule = r->id;
	}
	if (out->deny_rule == 0 && r->deny != RULE_SILENT) {
		out->deny = r->deny == 1;
		out->deny_rule = r->id;
	}
	if (out->follow_rule == 0 && r->follow_redirects != RULE_SILENT) {
		out->follow_redirects = r->follow_redirects == 1;
		out->follow_rule = r->id;
	}
}

/* Columns that act on the response. */
static void judge_response(const struct rule *r, int status, struct rule_decision *out)
{
	if (out->fresh_rule == 0 && r->fresh_for_s != RULE_SILENT && lets_live(r, status)) {
		out->fresh_for_s = r->fresh_for_s;
		out->fresh_rule = r->id;
		out->fresh_names_status = r->statuses != NULL;
	}
	if (out->stale_rule == 0 && r->stale_ok_s != RULE_SILENT) {
		out->stale_ok_s = r->stale_ok_s;
		out->stale_rule = r->id;
	}
	if (out->store_rule == 0 && r->store != RULE_SILENT) {
		out->store = r->store;
		out->store_rule = r->id;
	}
	if (out->cookies_rule == 0 && r->cookies != RULE_SILENT) {
		out->cookies = r->cookies == 1;
		out->cookies_rule = r->id;
	}
	if (out->pin_rule == 0 && r->pin != RULE_SILENT) {
		out->pin = r->pin == 1;
		out->pin_rule = r->id;
	}
	if (out->tag_rule == 0 && r->tag != NULL) {
		out->tag = r->tag;
		out->tag_rule = r->id;
	}
}

/* What of the set says of a URL in normal form. */
static void judge_normal(const struct rules *s, const char *url, int status, struct rule_decision *out)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct rule *r = &s->rules[i];
		if (!glob_matches(r->url_glob, url))
			continue;
		if (r->statuses != NULL && status == 0)
			out->by_status = s;
		if (r->statuses != NULL && !is_named(r->statuses, status))
			continue;
		judge_request(r, out);
		judge_response(r, status, out);
	}
}

void rules_judge(const struct rules *s, const char *url, int status, struct rule_decision *out)
{
	char *normal;
	*out = (struct rule_decision){.fresh_for_s = RULE_SILENT, .stale_ok_s = RULE_SILENT, .store = RULE_SILENT};
	if (s == NULL || s->count == 0)
		return;
	if (key_normal(url, &normal) != 0) {
		out->deny = true;
		return;
	}
	judge_normal(s, normal != NULL ? normal : url, status, out);
	free(normal);
}

const struct rule_decision *rules_for_status(
    const struct rule_decision *d, const char *url, int status, struct rule_decision *room)
{
	if (d->by_status == NULL)
		return d;
	rules_judge(d->by_status, url, status == 206 ? 200 : status, room);
	return room;
}

const char *rules_statuses(const struct rules *s, int64_t id)
{
	for (size_t i = 0; s != NULL && i < s->count; i++)
		if (s->rules[i].id == id)
			return s->rules[i].statuses;
	return NULL;
}

static bool matches_one(const char *globs, const char *parameter)
{
	char one[128];
	for (const char *p = globs; *p != '\0';) {
		size_t len = strcspn(p, " \t\n,");
		if (len > 0 && len < sizeof one) {
			memcpy(one, p, len);
			one[len] = '\0';
			if (glob_matches(one, parameter))
				return true;
		}
		p += len + (p[len] != '\0');
	}
	return false;
}

static bool is_ignored(const char *globs, struct span name)
{
	struct buf parameter;
	buf_init(&parameter, BUF_LINE);
	bool ignored = url_add_normal(name, &parameter) == 0 && matches_one(globs, buf_str(&parameter));
	buf_fini(&parameter);
	return ignored;
}

/* The globs of the rule that decides which parameters of the URL are ignored; NULL: no rule does. */
static const char *ignored_of(const struct rules *s, const char *url, int64_t *rule)
{
	char *normal;
	const char *globs = NULL;
	if (key_normal(url, &normal) != 0)
		return NULL;
	for (size_t i = 0; i < s->count && globs == NULL; i++) {
		if (s->rules[i].ignore_query == NULL ||
		    !glob_matches(s->rules[i].url_glob, normal != NULL ? normal : url))
			continue;
		globs = s->rules[i].ignore_query;
		*rule = s->rules[i].id;
	}
	free(normal);
	return globs;
}

char *rules_key(const struct rules *s, const char *url, int64_t *rule)
{
	const char *query = strchr(url, '?');
	*rule = 0;
	const char *globs = query != NULL && s != NULL && s->count > 0 ? ignored_of(s, url, rule) : NULL;
	char *key = globs != NULL ? malloc(strlen(url) + 1) : NULL;
	if (key == NULL) {
		*rule = 0;
		return NULL;
	}
	size_t n = (size_t)(query - url);
	memcpy(key, url, n);
	char separator = '?';
	bool dropped = false;
	for (const char *p = query + 1;;) {
		size_t len = strcspn(p, "&"), name = strcspn(p, "&=");
		if (is_ignored(globs, span_make(p, name))) {
			dropped = true;
		} else {
			key[n++] = separator;
			memcpy(key + n, p, len);
			n += len;
			separator = '&';
		}
		if (p[len] == '\0')
			break;
		p += len + 1;
	}
	key[n] = '\0';
	if (!dropped) {
		free(key);
		*rule = 0;
		return NULL;
	}
	return key;
}

/*
 * A set is an array in the order of precedence, so that for each column the first matching rule that says something decides.
 * Matching is linear: sets are small, and a thousand globs on one URL take some tens of microseconds, on a worker's thread.
 */
#include "http/rule.h"

#include "http/key.h"
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

/* --- globs --- */

/* The next character, as SQLite reads UTF-8: what is no UTF-8 is taken byte by byte as best it can. */
static unsigned next_char(const char **at)
{
	const unsigned char *p = (const unsigned char *)*at;
	unsigned c = *p++;
	if (c >= 0xc0) {
		c &= c >= 0xf0 ? 0x07 : c >= 0xe0 ? 0x0f : 0x1f;
		while ((*p & 0xc0) == 0x80)
			c = (c << 6) + (0x3f & *p++);
	}
	*at = (const char *)p;
	return c;
}

/* Is c in the set behind '['? *pattern is left behind its ']'; -1 when it is never closed. A ']' in the first place stands for itself,
 * and cannot begin a range. */
static int in_set(const char **pattern, unsigned c)
{
	const char *p = *pattern;
	bool inverted = *p == '^', in = false;
	unsigned before = 0, member = next_char(&p);
	if (inverted)
		member = next_char(&p);
	if (member == ']') {
		in = c == ']';
		member = next_char(&p);
	}
	for (; member != ']'; member = next_char(&p)) {
		if (member == 0)
			return -1;
		if (member == '-' && before != 0 && *p != ']' && *p != '\0') {
			unsigned last = next_char(&p);
			in = in || (c >= before && c <= last);
			before = 0;
		} else {
			in = in || c == member;
			before = member;
		}
	}
	*pattern = p;
	return in != inverted;
}

/* One * at a time: a later one makes the earlier irrelevant, so that no pattern takes more than length times length. */
bool rule_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;
	for (;;) {
		const char *p = pattern, *t = text;
		unsigned want = *p != '\0' ? next_char(&p) : 0;
		if (want == '*') {
			star = pattern = p;
			from = text;
			continue;
		}
		unsigned have = *t != '\0' ? next_char(&t) : 0;
		if (want == 0 && have == 0)
			return true;
		int matches = 0;
		if (have != 0 && want == '[')
			matches = in_set(&p, have);
		else if (have != 0)
			matches = want == '?' || (want == have && want != 0);
		if (matches < 0)
			return false;
		if (matches > 0) {
			pattern = p;
			text = t;
			continue;
		}
		if (star == NULL || *from == '\0')
			return false;
		next_char(&from);
		pattern = star;
		text = from;
	}
}

/* --- judging --- */

/* What of the set says of a URL in normal form. */
static void judge_normal(const struct rules *s, const char *url, struct ruling *out)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct rule *r = &s->rules[i];
		if (!rule_glob(r->url_glob, url))
			continue;
		if (out->fresh_rule == 0 && r->fresh_for_s != RULE_SILENT) {
			out->fresh_for_s = r->fresh_for_s;
			out->fresh_rule = r->id;
		}
		if (out->stale_rule == 0 && r->stale_ok_s != RULE_SILENT) {
			out->stale_ok_s = r->stale_ok_s;
			out->stale_rule = r->id;
		}
		if (out->store_rule == 0 && r->store != RULE_SILENT) {
			out->store = r->store;
			out->store_rule = r->id;
		}
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
}

void rules_judge(const struct rules *s, const char *url, struct ruling *out)
{
	char *normal;
	*out = (struct ruling){.fresh_for_s = RULE_SILENT, .stale_ok_s = RULE_SILENT, .store = RULE_SILENT};
	if (s == NULL || s->count == 0)
		return;
	if (key_normal(url, &normal) != 0) {
		out->deny = true;
		return;
	}
	judge_normal(s, normal != NULL ? normal : url, out);
	free(normal);
}

static bool matches_one(const char *globs, const char *parameter)
{
	char one[128];
	for (const char *p = globs; *p != '\0';) {
		size_t len = strcspn(p, " \t\n,");
		if (len > 0 && len < sizeof one) {
			memcpy(one, p, len);
			one[len] = '\0';
			if (rule_glob(one, parameter))
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

/* The globs of the rule that says which parameters of the URL are ignored; NULL: none does. */
static const char *ignored_of(const struct rules *s, const char *url, int64_t *rule)
{
	char *normal;
	const char *globs = NULL;
	if (key_normal(url, &normal) != 0)
		return NULL;
	for (size_t i = 0; i < s->count && globs == NULL; i++) {
		if (s->rules[i].ignore_query == NULL || !rule_glob(s->rules[i].url_glob, normal != NULL ? normal : url))
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

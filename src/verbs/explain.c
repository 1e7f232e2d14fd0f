/*
 * curlew explain URL: what the next request for the URL would do, and why. Lines "name: text", or one JSON object of
 * the same names.
 *
 * It gathers what is stored, as the server does, and prints the plan that selection_decide() makes of it. Fetches in
 * progress in a running server are not known here.
 */
#include "verbs/verbs.h"

#include "base/log.h"
#include "base/units.h"
#include "http/vary.h"
#include "index/query.h"
#include "verbs/listing.h"
#include "verbs/url_argument.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct page {
	bool json, people;
	int lines;
};

__attribute__((format(printf, 3, 4))) static void say(struct page *p, const char *name, const char *format, ...)
{
	char *line = NULL;
	va_list ap;
	va_start(ap, format);
	int n = vasprintf(&line, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (p->json) {
		struct index_column c = {.name = name, .text = line};
		printf("%s\"%s\": ", p->lines++ == 0 ? "{" : ",\n ", name);
		listing_json(stdout, &c);
	} else {
		if (p->people)
			listing_put_name(stdout, name, 13);
		else
			printf("%s\t", name);
		listing_clean(stdout, line, (size_t)n);
		putchar('\n');
	}
	free(line);
}

enum { WHEN = 32 };
static const int64_t LAST_SECOND = 253402300800; /* of the year 9999 */

static const char *when(int64_t at, char out[WHEN])
{
	struct tm tm;
	time_t t = (time_t)at;
	if (localtime_r(&t, &tm) == NULL || strftime(out, WHEN, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, WHEN, "%" PRId64, at);
	return out;
}

/* --- the rules --- */

enum { RULE_STATUSES = 256 };

/* ", for the statuses 404 410", where the rule has some. */
static const char *for_statuses(const struct url_argument *a, int64_t rule, char out[RULE_STATUSES])
{
	const char *statuses = rules_statuses(a->glimpse.rules, rule);
	out[0] = '\0';
	if (statuses != NULL)
		snprintf(out, RULE_STATUSES, ", for the statuses %s", statuses);
	return out;
}

static void say_rules(struct page *p, const struct url_argument *a)
{
	const struct rule_decision *r = &a->decision;
	char of[RULE_STATUSES];
	if (a->key_rule != 0)
		say(p, "key_rule", "rule %" PRId64 ": ignore_query", a->key_rule);
	if (r->fresh_rule != 0)
		say(p, "fresh_rule", "rule %" PRId64 ": fresh_for_s=%" PRId64 "%s%s", r->fresh_rule, r->fresh_for_s,
		    for_statuses(a, r->fresh_rule, of),
		    a->lookup.entry != NULL && a->lookup.entry->edited
			? ", but a user wrote fresh_until, and that overrides it"
			: "");
	if (r->stale_rule != 0)
		say(p, "stale_rule", "rule %" PRId64 ": stale_ok_s=%" PRId64 "%s", r->stale_rule, r->stale_ok_s,
		    for_statuses(a, r->stale_rule, of));
	if (r->store_rule != 0)
		say(p, "store_rule", "rule %" PRId64 ": store=%d%s", r->store_rule, r->store,
		    for_statuses(a, r->store_rule, of));
	if (r->offline_rule != 0)
		say(p, "offline_rule", "rule %" PRId64 ": offline=%d", r->offline_rule, r->offline);
	if (r->follow_rule != 0)
		say(p, "follow_rule", "rule %" PRId64 ": follow_redirects=%d", r->follow_rule, r->follow_redirects);
	if (r->cookies_rule != 0)
		say(p, "cookies_rule", "rule %" PRId64 ": cookies=%d%s", r->cookies_rule, r->cookies,
		    for_statuses(a, r->cookies_rule, of));
	if (r->deny_rule != 0)
		say(p, "deny_rule", "rule %" PRId64 ": deny=%d", r->deny_rule, r->deny);
	if (r->pin_rule != 0)
		say(p, "pin_rule", "rule %" PRId64 ": pin=%d%s", r->pin_rule, r->pin, for_statuses(a, r->pin_rule, of));
	if (r->tag_rule != 0)
		say(p, "tag_rule", "rule %" PRId64 ": tag=%s%s", r->tag_rule, r->tag, for_statuses(a, r->tag_rule, of));
	if (r->by_status != NULL)
		say(p, "status_rules", "other rules are for some statuses only (`curlew rule ls` lists them)");
}

/* --- variants --- */

/* The first line of the variant text that does not match the request. */
static void find_difference(const struct entry *e, const struct head *request, char *out, size_t size)
{
	struct span rest = span_of(e->vary), line;
	snprintf(out, size, "not chosen: the request prefers another language");
	while (span_next_line(&rest, &line)) {
		char one[512];
		snprintf(one, sizeof one, "%.*s", (int)line.len, line.at);
		struct entry probe = {.vary = one};
		if (selection_matches(&probe, request, SELECTION_EXACTLY))
			continue;
		snprintf(out, size, "not chosen: it is for \"%.300s\"", one);
		return;
	}
}

static void say_variants(struct page *p, const struct url_argument *a)
{
	const struct index_rows *rows = &a->lookup.rows;
	char name[32], why[400];
	say(p, "variants", "%zu", rows->count);
	for (size_t i = 0; i < rows->count && (rows->count > 1 || a->lookup.entry == NULL); i++) {
		const struct entry *e = rows->entries[i];
		snprintf(name, sizeof name, "variant_%zu", i + 1);
		if (e == a->lookup.entry)
			snprintf(why, sizeof why, "chosen: the most recent that matches, RFC 9111 4.1");
		else if (selection_matches(e, &a->request, SELECTION_EXACTLY) ||
			 selection_matches(e, &a->request, SELECTION_AS_GOOD))
			snprintf(why, sizeof why, "not chosen: it matches, but another one is preferred");
		else
			find_difference(e, &a->request, why, sizeof why);
		say(p, name, "entry %" PRId64 ", status %d, %" PRId64 " bytes, %s", e->id, e->status, e->body_bytes,
		    why);
	}
}

/* --- age and lifetime --- */

static const char *whose_lifetime(const struct url_argument *a, const struct policy_use *u)
{
	const struct entry *e = a->lookup.entry;
	if (e->edited)
		return ", written by a user";
	if (a->decision.fresh_rule != 0)
		return ", by a rule";
	return u->fresh_until != e->fresh_until ? ", as the origin says: the rule that decided is gone" : "";
}

static void say_arithmetic(struct page *p, const struct url_argument *a, const struct policy_use *u)
{
	const struct entry *e = a->lookup.entry;
	char at[WHEN];
	say(p, "entry", "%" PRId64 ", status %d, %" PRId64 " bytes%s", e->id, e->status, e->body_bytes,
	    e->pinned ? ", pinned" : "");
	say(p, "stored", "%s, %s", when(e->fetched_at, at), e->reason != NULL ? e->reason : "no reason recorded");
	say(p, "age", "%" PRId64 " s: %" PRId64 " on arrival and %" PRId64 " since, RFC 9111 4.2.3", u->age_s,
	    e->initial_age_s, u->age_s - e->initial_age_s);
	if (u->ahead) {
		say(p, "fresh_until",
		    "not known: the row is dated in the future, so the clock was ahead when it was stored");
	} else if (u->fresh_until <= 0) {
		say(p, "fresh_until", "%s",
		    e->edited
			? "0: the origin is asked before the next use (`curlew purge --soft`, or written by a user)"
			: "never: the origin forbids storing it, and the rule that stored it is gone");
	} else {
		say(p, "fresh_until", "%s, %" PRId64 " s after it was stored%s", when(u->fresh_until, at),
		    u->fresh_until - e->fetched_at, whose_lifetime(a, u));
		say(p, "freshness", "%s %" PRId64 " s, RFC 9111 4.2", u->ttl_s > 0 ? "fresh for" : "stale for",
		    u->ttl_s > 0 ? u->ttl_s : -u->ttl_s);
	}
	say(p, "if_it_fails", "%s",
	    !u->stale_if_unreachable ? "not served when the origin fails"
	    : u->stale_if_5xx        ? "served when the origin cannot be reached or responds with 5xx"
				     : "served when the origin cannot be reached");
}

struct spellings {
	struct page *page;
	int count;
};

static int say_spelling(void *ctx, const struct index_column *c, size_t count)
{
	struct spellings *s = ctx;
	char name[32];
	snprintf(name, sizeof name, "other_spelling_%d", ++s->count);
	say(s->page, name, "%s, entry %s: requests for it get that entry", count > 1 ? c[1].text : "", c[0].text);
	return 0;
}

/* Entries of equivalent URLs (RFC 9110 4.2.3). Rules, purges and invalidation treat them as this one. */
static void say_spellings(struct page *p, const struct url_argument *a)
{
	const char *params[] = {a->normal, a->key};
	struct spellings s = {.page = p};
	struct buf why;
	buf_init(&why, BUF_LINE);
	if (index_query(a->glimpse.dir,
		"SELECT id, url FROM entry WHERE (url = ?1 OR normal_url = ?1) AND url <> ?2 ORDER BY url, id LIMIT 20",
		params, 2, say_spelling, &s, &why) != 0)
		log_say("explain: %s", buf_str(&why));
	buf_fini(&why);
}

static void say_absence(struct page *p, struct url_argument *a)
{
	struct buf why;
	const struct index_parts *parts = &a->lookup.parts;
	buf_init(&why, BUF_LINE);
	char *refusal = inspect_refusal(&a->glimpse, a->key, &why);
	if (refusal != NULL)
		say(p, "not_stored", "%s", refusal);
	if (parts->of != NULL)
		say(p, "parts", "%zu, of which %" PRId64 " bytes from the beginning", parts->count,
		    index_parts_cover(parts, 0));
	free(refusal);
	buf_fini(&why);
}

/* --- what the next request would do --- */

static void gather(struct url_argument *a)
{
	url_argument_choose(a);
	a->lookup.parts = (struct index_parts){.whole_bytes = -1};
	if (a->lookup.entry == NULL)
		inspect_parts(&a->glimpse, a->key, selection_wants_parts, &a->request, &a->lookup.parts);
}

static bool lost_parts(const struct url_argument *a, const struct selection_plan *plan)
{
	const struct index_parts *parts = &a->lookup.parts;
	for (size_t i = 0; i < parts->count; i++) {
		const struct part *part = &parts->parts[i];
		bool used = part->first_byte <= plan->last && part->first_byte + part->body_bytes > plan->first;
		if (used && !inspect_body(&a->glimpse, part->body_file, part->body_bytes))
			return true;
	}
	return false;
}

/* Would the server miss a body file of this plan? Then it is marked in the selection, as the server would do. */
static bool finds_loss(struct url_argument *a, const struct selection_plan *plan)
{
	switch (plan->action) {
	case SELECTION_HIT:
	case SELECTION_STALE:
	case SELECTION_STALE_AND_REFRESH:
	case SELECTION_OFFLINE_STALE:
		a->lookup.lost_body = !inspect_body(&a->glimpse, plan->entry->body_file, plan->entry->body_bytes);
		return a->lookup.lost_body;
	case SELECTION_PARTS:
		a->lookup.lost_parts = lost_parts(a, plan);
		return a->lookup.lost_parts;
	case SELECTION_VALIDATE:
	case SELECTION_FETCH:
	case SELECTION_FETCH_RANGE:
	case SELECTION_PASS:
	case SELECTION_OFFLINE:
	case SELECTION_ONLY_IF_CACHED:
	case SELECTION_DENY:
		break;
	}
	return false;
}

static void decide(struct url_argument *a, struct selection_plan *plan)
{
	char *offline = url_argument_server(a, "offline");
	struct selection_request ask = {.head = &a->request,
	    .directives = &a->demand,
	    .policy = &a->policy,
	    .rules = &a->decision,
	    .offline = offline != NULL && strcmp(offline, "yes") == 0,
	    .body_bytes = -1};
	do
		selection_decide(&a->lookup, &ask, a->now, plan);
	while (finds_loss(a, plan));
	free(offline);
}

/* What keeps the request off the network. */
static const char *why_offline(const struct selection_plan *plan, char why[64])
{
	if (plan->rule_id != 0)
		snprintf(why, 64, "rule %" PRId64 " keeps it off the network", plan->rule_id);
	else
		snprintf(why, 64, "the server runs with --offline");
	return why;
}

/* True: the request would be served from the cache. */
static bool say_next(struct page *p, const struct selection_plan *plan)
{
	char why[64];
	const char *reason = plan->reason;
	switch (plan->action) {
	case SELECTION_HIT:
		say(p, "next", "a hit: %s", reason);
		return true;
	case SELECTION_STALE:
		say(p, "next", "a hit, stale: %s", reason);
		return true;
	case SELECTION_STALE_AND_REFRESH:
		say(p, "next", "a hit, stale, and the origin is asked in the background: %s", reason);
		return true;
	case SELECTION_PARTS:
		say(p, "next", "a hit: bytes %" PRId64 " to %" PRId64 " are stored in parts, %s", plan->first,
		    plan->last, reason);
		return true;
	case SELECTION_OFFLINE_STALE:
		say(p, "next", "a hit, stale: %s", why_offline(plan, why));
		return true;
	case SELECTION_VALIDATE:
		if (plan->entry != NULL)
			say(p, "next", "the origin is asked whether it still holds: %s", reason);
		else
			say(p, "next", "a miss: %s, so the origin is asked, with the tags of those stored", reason);
		break;
	case SELECTION_FETCH:
		if (plan->entry != NULL)
			say(p, "next", "the origin is asked again: %s", reason);
		else
			say(p, "next", "a miss: %s, so the origin is asked", reason);
		break;
	case SELECTION_FETCH_RANGE:
		say(p, "next", "a miss: %s, so the origin is asked for the range alone", reason);
		break;
	case SELECTION_PASS:
		say(p, "next", "the origin is asked: %s", reason);
		break;
	case SELECTION_OFFLINE:
		say(p, "next", "504: %s; %s", reason, why_offline(plan, why));
		break;
	case SELECTION_ONLY_IF_CACHED:
		say(p, "next", "504: %s, and the request says only-if-cached, RFC 9111 5.2.1.7", reason);
		break;
	case SELECTION_DENY:
		say(p, "next", "403: %s", reason);
		break;
	}
	return false;
}

/* --- the command line --- */

/* True when mktime() kept the time as written. It turns 30 February, or an hour that summer time skips, into another
 * time. */
static bool is_real(const struct tm *written, const struct tm *made)
{
	return written->tm_year == made->tm_year && written->tm_mon == made->tm_mon &&
	       written->tm_mday == made->tm_mday && written->tm_hour == made->tm_hour &&
	       written->tm_min == made->tm_min && written->tm_sec == made->tm_sec;
}

/* Reads a time as --at takes it; *at holds the present before. 0, or -1: not a time. */
static int read_time(const char *text, int64_t *at)
{
	static const char *const forms[] = {
	    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
	double later;
	if (text[0] == '+' && units_span(text + 1, &later) == 0) {
		*at += (int64_t)later;
		return 0;
	}
	if (units_count(text, at) == 0)
		return *at < LAST_SECOND ? 0 : -1;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0] && strspn(text, "0123456789") == 4; i++) {
		struct tm tm = {.tm_isdst = -1}, written;
		char *rest = strptime(text, forms[i], &tm);
		written = tm;
		if (rest == NULL || *rest != '\0')
			continue;
		*at = (int64_t)mktime(&tm);
		return is_real(&written, &tm) ? 0 : -1;
	}
	return -1;
}

static void say_cache(struct page *p, const struct url_argument *a, const struct conf *conf)
{
	const struct inspect *g = &a->glimpse;
	char *listen = url_argument_server(a, "listen"), many[128] = "";
	if (g->servers > 1)
		snprintf(many, sizeof many, " by %u servers (this is what the one at %s would do)", g->servers,
		    listen != NULL ? listen : "?");
	say(p, "cache", "%s, %s, %s%s", conf_cache_dir(conf), g->mode,
	    g->servers > 0 ? "being served" : "no server is running", many);
	free(listen);
}

/* True: the request would be served from the cache. */
static bool explain_url(struct page *p, struct url_argument *a)
{
	struct selection_plan plan;
	gather(a);
	decide(a, &plan);
	say_rules(p, a);
	say_variants(p, a);
	say_spellings(p, a);
	if (a->lookup.entry != NULL)
		say_arithmetic(p, a, &plan.use);
	else
		say_absence(p, a);
	if (!url_argument_is_served(a)) {
		say(p, "next", "421: the server that is running has no site of this host (--origin NAME=URL)");
		return false;
	}
	return say_next(p, &plan);
}

static int explain(struct url_argument *a, const struct conf *conf)
{
	struct page p = {.json = conf_flag(conf, "json"), .people = isatty(STDOUT_FILENO)};
	const char *at = conf_text(conf, "at");
	char text[WHEN];
	if (at != NULL && read_time(at, &a->now) != 0) {
		log_say("explain: --at %s: not a time (give Unix seconds, '2026-11-25 18:00', or +2h)", at);
		return VERB_USAGE;
	}
	bool file = url_argument_is_file(a, conf), hit = file;
	int status = file ? VERB_DONE : url_argument_url(a, conf, "explain");
	if (status != VERB_DONE)
		return status;
	say(&p, "url", "%s", file ? conf_operand(conf, 0) : a->url);
	if (!file)
		say(&p, "key", "%s", a->key);
	if (!file && strcmp(a->normal, a->key) != 0)
		say(&p, "normal_url", "%s: what rules and purges match", a->normal);
	say(&p, "as_of", "%s", when(a->now, text));
	say_cache(&p, a, conf);
	if (file) {
		say(&p, "next", "the local file of that name (--root), which overrides every host");
	} else {
		hit = explain_url(&p, a);
	}
	if (p.json)
		puts("}");
	return hit ? VERB_DONE : VERB_NOTHING;
}

int verb_explain(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_EXPLAIN, argc, argv, &status);
	if (conf == NULL)
		return status;
	struct url_argument a;
	status = url_argument_begin(&a, conf, "explain");
	if (status == VERB_DONE)
		status = explain(&a, conf);
	url_argument_end(&a);
	conf_free(conf);
	return status;
}

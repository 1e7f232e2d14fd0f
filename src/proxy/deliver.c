/*
 * The order of evaluation is that of RFC 9110 13.2.2: the conditions first, then If-Range and Range. A request for
 * several ranges gets multipart/byteranges.
 */
#include "proxy/deliver.h"

#include "fetch/named_sites.h"
#include "http/conditions.h"
#include "http/location.h"
#include "http/policy.h"
#include "proxy/browser.h"
#include "proxy/multipart.h"
#include "proxy/options.h"

#include <inttypes.h>
#include <stdlib.h>

/* The value names one of the servers of the site, or leaves it as it is (NULL). */
static char *site_location(const struct exchange *x, struct span value)
{
	char *location = NULL;
	for (unsigned i = 0; i < x->site->backend_count && location == NULL; i++)
		location = location_for_site(x->site->backends[i].url, x->target.url, value);
	return location;
}

char *deliver_location(const struct exchange *x, int status, struct span fields)
{
	if ((status != 201 && (status < 300 || status > 399)) || x->target.form == KEY_ABSOLUTE)
		return NULL;
	char *location = NULL;
	struct head head;
	message_init(&head);
	struct span value = {NULL, 0};
	if (message_parse_fields(&head, fields) == 0)
		value = message_find(&head, "Location");
	if (value.at != NULL && x->target.form == KEY_PREFIX)
		location = location_for_prefix(x->options->key_settings.default_scheme, x->target.url, value);
	else if (value.at != NULL && x->target.form == KEY_SITE)
		location = browser_location(x, value);
	else if (value.at != NULL && x->target.form == KEY_REVERSE)
		location = x->site != NULL ? site_location(x, value)
					   : location_for_reverse(x->context->origin, x->target.url, value);
	message_fini(&head);
	return location;
}

bool deliver_withholds_cookies(const struct exchange *x, int status)
{
	struct rule_decision room;
	return !policy_keeps_cookies(&x->context->policy, rules_for_status(&x->decision, x->target.url, status, &room));
}

static int send_body(struct exchange *x, const struct representation *rep, int64_t at, int64_t n)
{
	int rc = representation_send(x, rep, at, n);
	return rc == 0 ? x->sink->end(x->sink, span_make(NULL, 0)) : rc;
}

/* The fields a 304 may carry (RFC 9110 15.4.5): all but those that describe the body it does not have. */
static void not_modified_fields(struct buf *out, struct span fields)
{
	struct span line;
	while (span_next_line(&fields, &line)) {
		if (span_starts_nocase(line, "Content-") && !span_starts_nocase(line, "Content-Location:"))
			continue;
		buf_addspan(out, line);
		buf_addc(out, '\n');
	}
}

static struct response_head make_head(const struct exchange *x, const struct representation *rep)
{
	struct response_head r = {
	    .status = rep->status,
	    .fields = rep->fields,
	    .reused = rep->reused && deliver_withholds_cookies(x, rep->status),
	    .body_bytes = rep->bytes,
	    .no_body = span_is(x->request->method, "HEAD"),
	    .encodes = rep->encodes,
	    .age_s = rep->age_s,
	    .via = rep->cache != NULL ? x->context->via : NULL,
	    .keeps_tags = x->context->keeps_tags,
	};
	if (r.reused)
		r.cookies = rep->cookies; /* if it is not reused, they are among its fields */
	if (rep->cache != NULL) {
		browser_guard(x, rep->fields, &r);
		response_head_say(&r, "%s", rep->cache);
		response_head_key(&r, x->target.url);
	}
	return r;
}

/* Sends 304, 206 or 416, if the request's conditions and ranges lead to one of them. False: nothing was sent. */
static bool respond_in_part(struct exchange *x, const struct representation *rep, const struct head *head, int *rc)
{
	struct response_head r = make_head(x, rep);
	struct buf fields, extra;
	struct range ranges[RANGE_MAX];
	size_t count = 0;
	buf_init(&fields, BUF_HEAD);
	buf_init(&extra, BUF_LINE);
	struct span range = message_find(x->request, "Range");
	enum range_verdict verdict = RANGE_IGNORE;
	bool sent = true;
	if (conditions_judge(x->request, head, x->now) == CONDITIONS_NOT_MODIFIED) {
		not_modified_fields(&fields, rep->fields);
		r.status = 304;
		r.fields = buf_span(&fields);
		x->status = 304;
		*rc = x->sink->begin(x->sink, &r);
		if (*rc == 0)
			*rc = x->sink->end(x->sink, span_make(NULL, 0));
		goto out;
	}
	if (range.at != NULL && span_is(x->request->method, "GET") &&
	    conditions_range_applies(x->request, head, x->now))
		verdict = range_resolve(range, rep->bytes, ranges, &count);
	if (verdict == RANGE_UNSATISFIABLE) {
		buf_addf(&extra, "Content-Range: bytes */%" PRId64 "\n", rep->bytes);
		not_modified_fields(&fields, rep->fields);
		r.status = x->status = 416;
		r.fields = buf_span(&fields);
		r.extra = buf_span(&extra);
		r.body_bytes = 0;
		*rc = x->sink->begin(x->sink, &r);
		if (*rc == 0)
			*rc = x->sink->end(x->sink, span_make(NULL, 0));
	} else if (verdict == RANGE_SOME && count == 1) {
		buf_addf(&extra, "Content-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64 "\n", ranges[0].first,
		    ranges[0].last, rep->bytes);
		r.status = x->status = 206;
		r.extra = buf_span(&extra);
		r.body_bytes = ranges[0].last - ranges[0].first + 1;
		*rc = x->sink->begin(x->sink, &r);
		if (*rc == 0)
			*rc = send_body(x, rep, ranges[0].first, r.body_bytes);
	} else if (verdict == RANGE_SOME) {
		*rc = multipart_respond(x, rep, &r, message_find(head, "Content-Type"), ranges, count);
	} else {
		sent = false;
	}
out:
	buf_fini(&fields);
	buf_fini(&extra);
	return sent;
}

int deliver_respond(struct exchange *x, const struct representation *rep)
{
	int rc = 0;
	if (rep->status == 200) {
		struct head head;
		message_init(&head);
		bool sent = false;
		if (message_parse_fields(&head, rep->fields) == 0) {
			head.status = rep->status;
			sent = respond_in_part(x, rep, &head, &rc);
		}
		message_fini(&head);
		if (sent)
			return rc;
	}
	struct response_head r = make_head(x, rep);
	/* The Location of a local file's redirect is right as it is. */
	char *location = rep->cache != NULL ? deliver_location(x, rep->status, rep->fields) : NULL;
	r.location = location;
	x->status = rep->status;
	rc = x->sink->begin(x->sink, &r);
	if (rc == 0)
		rc = r.no_body ? x->sink->end(x->sink, span_make(NULL, 0)) : send_body(x, rep, 0, rep->bytes);
	free(location);
	return rc;
}

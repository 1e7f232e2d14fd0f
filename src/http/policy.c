/*
 * What the verdicts share.
 */
#include "http/policy.h"

#include <stdarg.h>
#include <stdio.h>

void policy_explain(char reason[POLICY_REASON], const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(reason, POLICY_REASON, format, ap);
	va_end(ap);
}

/* A part stands for its whole (RFC 9111 3.3). */
int policy_judged_status(const struct policy_exchange *x)
{
	return x->part && x->response->status == 206 ? 200 : x->response->status;
}

bool policy_sets_cookie(const struct head *response)
{
	return message_has(response, "Set-Cookie") || message_has(response, "Set-Cookie2");
}

bool policy_is_told_to_store(const struct rule_decision *decision)
{
	return decision != NULL && decision->store == 1;
}

bool policy_keeps_cookies(const struct policy *policy, const struct rule_decision *decision)
{
	return policy->private_cache || (decision != NULL && decision->cookies);
}

bool policy_is_unsafe(struct span method)
{
	return !span_is(method, "GET") && !span_is(method, "HEAD") && !span_is(method, "OPTIONS") &&
	       !span_is(method, "TRACE");
}

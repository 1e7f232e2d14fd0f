/*
 * vary: which variant of a response a request selects (RFC 9111 4.1).
 *
 * The variant text of a response has a line "name: value" for each field that its Vary lines name, in order of name,
 * with the normalised value of the request; "name" alone when the request has no such field. Lines are separated by LF.
 * Without Vary the text is ''.
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_VARY_H
#define CURLEW_HTTP_VARY_H

#include "base/buf.h"
#include "http/message.h"

/* The variant text of a response to this request, into out, which is cleared first. 0, or -1 when Vary has "*" (which
 * never matches) or out's ceiling is met. */
int vary_text(const struct head *response, const struct head *request, struct buf *out);

/* True when the request would have made that variant text. */
bool vary_matches(const char *variant, const struct head *request);
/* True also when such a response is as good as any other for this request: its language is the one preferred to all
 * others; its coding has the highest weight; or it came uncoded, and this request leaves the origin no coding to choose
 * that the first one did not. */
bool vary_suits(const char *variant, const struct head *response, const struct head *request);
/* The same of Accept-Encoding alone: may the body be sent to this request, whatever else differs? */
bool vary_coding_suits(const char *variant, const struct head *response, const struct head *request);

#endif

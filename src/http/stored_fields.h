/*
 * stored_fields: the field lines of a response as they are stored ("Name: value\n" each), and what a 304 changes in
 * them (RFC 9111 3.1, 3.2).
 *
 * Pure. Any thread may call. Each function clears `out` first and returns 0, or -1 when out's ceiling is met or memory
 * failed.
 */
#ifndef CURLEW_HTTP_STORED_FIELDS_H
#define CURLEW_HTTP_STORED_FIELDS_H

#include "base/buf.h"
#include "http/policy.h"

/* The end-to-end fields of a response, in order. Age and Content-Length are left out: columns have them. A Date that is
 * missing or malformed becomes answered_at. */
int stored_fields_make(const struct head *response, int64_t answered_at, struct buf *out);

/* Of such lines, those that may be kept. Fields that no-cache="..." or private="..." names are left out (RFC 9111
 * 5.2.2.4, 5.2.2.7), and so is Set-Cookie unless policy_keeps_cookies(). decision may be NULL. */
int stored_fields_kept(
    const struct policy *, const struct rule_decision *decision, const struct head *stored, struct buf *out);

/* The stored lines after a 304 has updated them (RFC 9111 3.2, 4.3.4). Fields that describe the stored bytes
 * (Content-Length, -Encoding, -Range) stay as they are. cookies: keep the Set-Cookie lines of both. */
int stored_fields_update(const struct head *stored, const struct head *not_modified, bool cookies, struct buf *out);

/* Appends the Set-Cookie lines of the head: this one does not clear `out`. */
int stored_fields_add_cookies(const struct head *, struct buf *out);

#endif

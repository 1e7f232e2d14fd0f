/*
 * field: the parts of field values (RFC 9110 5.6): lists, tokens, quoted strings, directives, entity tags.
 *
 * Pure. Nothing here allocates; results borrow from the input.
 */
#ifndef CURLEW_HTTP_FIELD_H
#define CURLEW_HTTP_FIELD_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* Removes the next member of a comma list from the front of *rest, trimmed. A comma inside a quoted string separates
 * nothing. Empty members are skipped. False at the end. */
bool field_next(struct span *rest, struct span *member);

/* A member without its parameters: "gzip;q=0.5" is "gzip" (RFC 9110 5.6.6). */
struct span field_bare(struct span member);

/* Splits `name[=value]`, value a token or quoted string. *value: without its quotes, escapes still in; {NULL,0} when
 * absent. */
void field_directive(struct span member, struct span *name, struct span *value);

/* Delta-seconds (RFC 9111 1.2.2): digits only; above 2^31-1 it is 2^31. -1: not one. */
int64_t field_seconds(struct span);

/* Entity tags (RFC 9110 8.8.3.2). A tag is given as written, W/"x" or "x". */
bool field_tags_match_weak(struct span a, struct span b);
bool field_tags_match_strong(struct span a, struct span b);
/* True also for two equal values that are no entity tags: a server that sends ETag: abc gets it back like that. */
bool field_tags_match_or_same(struct span a, struct span b);

/* True for the names Set-Cookie and Set-Cookie2. */
bool field_is_cookie(struct span name);

#endif

/*
 * structured: dictionaries and lists of Structured Fields (RFC 8941 3.1, 3.2), read strictly: one error makes the
 * whole field invalid.
 *
 * Pure. Nothing here allocates; results borrow from the input. Parameters are checked and skipped:
 * they have no meaning in the fields that curlew reads.
 */
#ifndef CURLEW_HTTP_STRUCTURED_H
#define CURLEW_HTTP_STRUCTURED_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum structured_kind {
	STRUCTURED_BOOLEAN,
	STRUCTURED_INTEGER,
	STRUCTURED_DECIMAL,
	STRUCTURED_STRING, /* text: without its quotes, escapes still in */
	STRUCTURED_TOKEN,
	STRUCTURED_BYTES, /* text: base64 as written */
	STRUCTURED_LIST   /* an inner list; its items are checked and left out */
};

struct structured_member {
	struct span key;
	enum structured_kind kind;
	bool boolean;    /* BOOLEAN only; true when the value was left out */
	int64_t integer; /* INTEGER only; at most 15 digits */
	struct span text;
};

enum structured_step {
	STRUCTURED_MEMBER, /* *member filled; call again */
	STRUCTURED_END,
	STRUCTURED_BAD /* not a dictionary or list: earlier members are invalid too */
};

/* Removes the next member from the front of *rest, which is first the value of one field line. A key may be repeated:
 * the caller must let the last one count (RFC 8941 4.2.2). */
enum structured_step structured_next(struct span *rest, struct structured_member *member);

/* The same for the next member of a list, which has no key. */
enum structured_step structured_next_item(struct span *rest, struct structured_member *item);

#endif

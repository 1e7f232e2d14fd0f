/*
 * structured: dictionaries of Structured Fields (RFC 8941 3.2), read strictly: one error and the
 * whole field is void.
 *
 * Pure. Nothing here allocates; results borrow from the input. Parameters are checked and left out:
 * no field of ours gives them a meaning.
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
	STRUCTURED_BAD /* no dictionary: whatever came before is void too */
};

/* Takes the next member off the front of *rest, which begins as one field line's value. A key may
 * come again; then the last one counts (RFC 8941 4.2.2), which is the caller's to see to. */
enum structured_step structured_next(struct span *rest, struct structured_member *member);

#endif

/*
 * printable: which bytes may be written to a terminal or a log unchanged. Control characters may not: they could forge
 * lines, move the cursor or change colours.
 */
#ifndef CURLEW_BASE_PRINTABLE_H
#define CURLEW_BASE_PRINTABLE_H

#include "base/span.h"

/* The length of the UTF-8 character (RFC 3629 4) at the front of s, which must not be empty. 0: no character begins
 * there, or it is a control character (below U+0020, U+007F to U+009F). */
static inline size_t printable_bytes(struct span s)
{
	unsigned char c = (unsigned char)s.at[0], next = s.len > 1 ? (unsigned char)s.at[1] : 0;
	if (c < 0x80)
		return c >= ' ' && c != 127;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || s.len < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s.at[i] & 0xc0) != 0x80)
			return 0;
	bool invalid = (c == 0xc2 && next < 0xa0) || (c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) ||
		       (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f);
	return invalid ? 0 : n;
}

#endif

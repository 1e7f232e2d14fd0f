/*
 * authority: "host[:port]" by the grammar of RFC 3986 3.2.2 and RFC 9110 7.2: the value of Host, the target of CONNECT,
 * a server's name.
 *
 * Pure. Nothing is decoded or normalised; that is `url`'s work.
 */
#ifndef CURLEW_HTTP_AUTHORITY_H
#define CURLEW_HTTP_AUTHORITY_H

#include "base/span.h"

struct authority {
	struct span host; /* as written, IPv6 with its brackets; may be empty */
	int port;         /* 0 to 65535; AUTHORITY_NO_PORT when it is left out or empty */
};

enum { AUTHORITY_NO_PORT = -1 };

/* Splits the text, borrowing from it. 0, or -1 when it is no authority: a user, a port that is no number or beyond
 * 65535, a bracket that is not closed, an address in brackets that is none, a byte or an escape that may not be in a
 * host. A comma is refused too, although the grammar allows it: it is how two Host lines look after something has
 * joined them. */
int authority_split(struct span text, struct authority *);

/* The digits of a port. Their value, AUTHORITY_NO_PORT for none, or -2 when it is no port. */
int authority_port(struct span digits);

#endif

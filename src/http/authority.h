/*
 * authority: "host[:port]" by the grammar of RFC 3986 3.2.2 and RFC 9110 7.2: the value of Host, the target of CONNECT,
 * the name of a server.
 *
 * Pure. Nothing is decoded or normalised; url does that.
 */
#ifndef CURLEW_HTTP_AUTHORITY_H
#define CURLEW_HTTP_AUTHORITY_H

#include "base/span.h"

struct authority {
	struct span host; /* as written, IPv6 with its brackets; may be empty */
	int port;         /* 0 to 65535; AUTHORITY_NO_PORT when it is left out or empty */
};

enum { AUTHORITY_NO_PORT = -1 };

/* Splits the text, borrowing from it. 0, or -1 when it is malformed: a user, a wrong port, a bracket that is not
 * closed, a wrong address in brackets, a byte or an escape that may not be in a host. A comma is refused too, although
 * the grammar allows it: two Host lines that something has joined look like that. */
int authority_split(struct span text, struct authority *);

/* The value of the digits of a port; AUTHORITY_NO_PORT for none, or -2 when they are not a port. */
int authority_port(struct span digits);

#endif

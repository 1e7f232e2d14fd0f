/*
 * proxy_header: the header of the PROXY protocol, versions 1 and 2, which a front sends before the first byte of a
 * connection to tell whose connection it is (HAProxy: doc/proxy-protocol.txt). Pure.
 *
 * It is read strictly: every byte of version 1 is by the grammar; in version 2, command, family, protocol and lengths
 * must fit, also those of the extensions (TLVs), which are skipped.
 */
#ifndef CURLEW_NET_PROXY_HEADER_H
#define CURLEW_NET_PROXY_HEADER_H

#include "base/span.h"

#include <netinet/in.h>

/* Bytes of a header at most: longer ones are malformed. */
enum { PROXY_HEADER_MOST = 16 << 10 };

enum proxy_header_parsed {
	PROXY_HEADER_WHOLE,
	PROXY_HEADER_MORE,  /* the beginning of one */
	PROXY_HEADER_OTHER, /* something else, such as a request */
	PROXY_HEADER_BAD    /* malformed: *fault says why */
};

enum proxy_header_sender {
	PROXY_HEADER_CLIENT, /* a client whose address is in `client` */
	PROXY_HEADER_FRONT,  /* the front itself, such as its health check (LOCAL in version 2) */
	PROXY_HEADER_UNKNOWN /* the front does not tell, or the client has no IP address (UNKNOWN, UNSPEC, unix) */
};

struct proxy_header {
	size_t bytes; /* of the header */
	enum proxy_header_sender sender;
	struct in6_addr client; /* base/cidr.h */
	const char *fault;      /* a literal */
};

/* Reads the header that `bytes` begin with. */
enum proxy_header_parsed proxy_header_parse(struct span bytes, struct proxy_header *);

/* True when bytes begin with a header of either version. */
bool proxy_header_begins(struct span bytes);

#endif

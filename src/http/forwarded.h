/*
 * forwarded: which client a request came from, as the proxies on its way tell: Forwarded (RFC 7239) and
 * X-Forwarded-For. Pure.
 *
 * Each proxy adds the address of its own client at the right end of the list. Only what a trusted proxy added is
 * believed, so the list is read from the right: past the addresses of trusted proxies, to the first other one.
 */
#ifndef CURLEW_HTTP_FORWARDED_H
#define CURLEW_HTTP_FORWARDED_H

#include "base/cidr.h"
#include "http/message.h"

#include <stdbool.h>

enum forwarded_naming {
	FORWARDED_ABSENT,  /* neither field is there */
	FORWARDED_NAMED,   /* *client is filled */
	FORWARDED_UNNAMED, /* a field is there, but what stands in the client's place is no address: "unknown", or worse
			    */
	FORWARDED_TWO /* the two fields name different clients: *client is that of X-Forwarded-For, *other the other */
};

/* Reads the client of a request whose sender is a trusted proxy. If all addresses are those of trusted proxies, it is
 * the leftmost. */
enum forwarded_naming forwarded_client(
    const struct head *, const struct cidr_list *trusted, struct in6_addr *client, struct in6_addr *other);

/* What proxies say about the URL that the client requested. Borrowed; {NULL, 0}: nothing. */
struct forwarded_url {
	struct span host, proto;
};
/* Reads X-Forwarded-Host and X-Forwarded-Proto, or else the last member of Forwarded. Of a list, the last member is
 * that of the proxy that sent the request. */
void forwarded_url(const struct head *, struct forwarded_url *);

/* True when the request came through another proxy: it has Via, Forwarded, X-Real-IP or an X-Forwarded- field. */
bool forwarded_is(const struct head *);

#endif

/*
 * cidr: networks of IP addresses as people write them ("10.0.0.0/8", "fd00::/8", "192.0.2.7"), and lists of them. Pure.
 *
 * Every address is 16 bytes. IPv4 is in its mapped form, ::ffff:a.b.c.d, so an IPv4 client of an IPv6 socket matches
 * the networks of IPv4. A network of IPv6 never holds an IPv4 address: ::/0 is all of IPv6 alone.
 */
#ifndef CURLEW_BASE_CIDR_H
#define CURLEW_BASE_CIDR_H

#include "base/buf.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct cidr {
	struct in6_addr at;
	int bits; /* within all 128 */
};

/* All zeros: an empty list. */
struct cidr_list {
	struct cidr *nets; /* owned */
	size_t count;
};

enum { CIDR_TEXT = INET6_ADDRSTRLEN + 4 };

enum cidr_parsed {
	CIDR_READ,
	CIDR_UNREADABLE, /* neither an address nor a network */
	CIDR_HOST_BITS   /* bits are set after the prefix: the writer may have meant another network, or one address */
};
/* Reads an address or a network; an IPv6 address may stand in brackets. Otherwise a sentence in why that names the text
 * and tells what to write instead. */
enum cidr_parsed cidr_parse(struct span text, struct cidr *, struct buf *why);
/* Reads an address alone: no prefix length, no brackets. 0, or -1. */
int cidr_parse_address(struct span text, struct in6_addr *);

/* The address of a socket. False: it is neither IPv4 nor IPv6, such as a unix socket. */
bool cidr_of_socket(const struct sockaddr *, struct in6_addr *);
/* The address as people write it: an IPv4 address without its mapped form. */
void cidr_print(const struct in6_addr *, char text[INET6_ADDRSTRLEN]);
bool cidr_is_v4(const struct in6_addr *);
/* 127.0.0.0/8 or ::1. */
bool cidr_is_loopback(const struct in6_addr *);

bool cidr_holds(const struct cidr *, const struct in6_addr *);

/* Adds the networks of a text, which are separated by commas or blanks; the word "none" alone adds nothing. 0, or -1
 * with a sentence in why; what was added before the error stays. */
int cidr_list_add(struct cidr_list *, struct span text, struct buf *why);
bool cidr_list_holds(const struct cidr_list *, const struct in6_addr *);
void cidr_list_fini(struct cidr_list *);

#endif

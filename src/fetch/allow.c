/*
 * Every address is judged as 16 bytes: IPv4 as ::ffff:a.b.c.d, and an IPv6 form that tunnels an IPv4 address (mapped,
 * NAT64, 6to4) as the address it carries, so that ::ffff:127.0.0.1 does not get around a rule about 127.0.0.1.
 */
#include "fetch/allow.h"

#include "base/cidr.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct net {
	struct cidr cidr;
	int port; /* 0: any */
};

struct net_list {
	struct net *nets;
	size_t count;
	struct net_list *older; /* those that it replaced, which may still be in use */
};

struct allow {
	struct net_list *_Atomic now;
};

/* All IPv6 addresses that IANA has assigned to the public Internet. The others are reserved, local or multicast. */
static const struct cidr public_v6 = {.at = {{{0x20}}}, .bits = 3};

/* Addresses that are not public (IANA special-purpose registries, RFC 6890). For IPv6 only those inside public_v6 are
 * listed. 2002::/16 (6to4) is not: it is judged by the IPv4 address that it carries. */
static const char *const special[] = {
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    /* protocol assignments, Teredo among them */
    "2001::/23",
    /* documentation (RFC 9637) */
    "2001:db8::/32",
    "3fff::/20",
};

static const struct {
	const char *word, *net;
} words[] = {
    {"loopback", "127.0.0.0/8"},
    {"loopback", "::1"},
    {"private", "10.0.0.0/8"},
    {"private", "172.16.0.0/12"},
    {"private", "192.168.0.0/16"},
    {"private", "fc00::/7"},
};

/* The address in the form in which it is judged. 0, or -1: neither IPv4 nor IPv6. */
static int to_judged(const struct sockaddr *sa, struct in6_addr *at, int *port)
{
	static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	if (!cidr_of_socket(sa, at))
		return -1;
	*port = ntohs(sa->sa_family == AF_INET ? ((const struct sockaddr_in *)(const void *)sa)->sin_port
					       : ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
	const unsigned char *b = at->s6_addr;
	if (memcmp(b, nat64, sizeof nat64) == 0)
		memcpy(&v4.sin_addr, b + 12, 4);
	else if (b[0] == 0x20 && b[1] == 0x02)
		memcpy(&v4.sin_addr, b + 2, 4);
	else
		return 0;
	cidr_of_socket((const struct sockaddr *)&v4, at);
	return 0;
}

/* The tables are short, so parsing them each time costs less than a connection by far. */
static void read_net(const char *text, struct cidr *net)
{
	struct buf why;
	buf_init(&why, BUF_LINE);
	cidr_parse(span_of(text), net, &why);
	buf_fini(&why);
}

static bool is_public(const struct in6_addr *at)
{
	struct cidr net;
	if (!cidr_is_v4(at) && !cidr_holds(&public_v6, at))
		return false;
	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
		read_net(special[i], &net);
		if (cidr_holds(&net, at))
			return false;
	}
	return true;
}

bool allow_judge(const struct allow *a, const struct sockaddr *sa)
{
	struct in6_addr at;
	int port;
	if (to_judged(sa, &at, &port) != 0)
		return false;
	if (is_public(&at))
		return true;
	const struct net_list *now = a != NULL ? atomic_load_explicit(&a->now, memory_order_acquire) : NULL;
	for (size_t i = 0; now != NULL && i < now->count; i++)
		if (cidr_holds(&now->nets[i].cidr, &at) && (now->nets[i].port == 0 || now->nets[i].port == port))
			return true;
	return false;
}

struct allow *allow_new(void)
{
	struct allow *a = calloc(1, sizeof *a);
	struct net_list *list = calloc(1, sizeof *list);
	if (a == NULL || list == NULL) {
		free(a);
		free(list);
		return NULL;
	}
	atomic_init(&a->now, list);
	return a;
}

void allow_free(struct allow *a)
{
	if (a == NULL)
		return;
	for (struct net_list *list = atomic_load(&a->now), *older; list != NULL; list = older) {
		older = list->older;
		free(list->nets);
		free(list);
	}
	free(a);
}

void allow_replace(struct allow *a, struct allow *fresh)
{
	struct net_list *list = atomic_load(&fresh->now);
	list->older = atomic_load(&a->now);
	atomic_store_explicit(&a->now, list, memory_order_release);
	free(fresh);
}

static int add_net(struct allow *a, const struct net *net)
{
	struct net_list *list = atomic_load(&a->now);
	struct net *nets = realloc(list->nets, (list->count + 1) * sizeof *nets);
	if (nets == NULL)
		return -1;
	list->nets = nets;
	list->nets[list->count++] = *net;
	return 0;
}

static int parse_number(const char *text, int max)
{
	char *end;
	if (*text < '0' || *text > '9')
		return -1;
	long n = strtol(text, &end, 10);
	return *end == '\0' && n <= max ? (int)n : -1;
}

/* Takes ":PORT" off the end of an item, but not the last group of a bare IPv6 address. 0 when there is none, -1
 * malformed. */
static int take_port(char *item)
{
	char *colon = strrchr(item, ':');
	bool bare_v6 = colon != NULL && strchr(item, ':') != colon && item[0] != '[';
	if (colon == NULL || bare_v6 || strchr(colon, ']') != NULL)
		return 0;
	*colon = '\0';
	int port = parse_number(colon + 1, 65535);
	return port > 0 ? port : -1;
}

/* One item of the list: a word, an address or a network, each with or without a port. 0, or -1; then why may have a
 * sentence about the item. */
static int add_item(struct allow *a, char *item, struct buf *why)
{
	struct net net = {.port = take_port(item)};
	bool known = false;
	if (net.port < 0)
		return -1;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(item, words[i].word) != 0)
			continue;
		known = true;
		read_net(words[i].net, &net.cidr);
		if (add_net(a, &net) != 0)
			return -1;
	}
	if (known)
		return 0;
	/* Of the causes, only this one is not for the sentence of allow_add(), which knows the words too. */
	enum cidr_parsed parsed = cidr_parse(span_of(item), &net.cidr, why);
	if (parsed == CIDR_UNREADABLE)
		buf_clear(why);
	return parsed == CIDR_READ ? add_net(a, &net) : -1;
}

int allow_add(struct allow *a, const char *list, struct buf *why)
{
	char *copy = strdup(list), *rest = copy, *item;
	int rc = copy == NULL ? -1 : 0;
	struct buf cause;
	buf_init(&cause, BUF_LINE);
	while (rc == 0 && (item = strsep(&rest, ",")) != NULL) {
		while (*item == ' ')
			item++;
		char shown[128];
		snprintf(shown, sizeof shown, "%s", item);
		if (*item == '\0' || add_item(a, item, &cause) == 0)
			continue;
		if (cause.len > 0)
			buf_addspan(why, buf_span(&cause));
		else
			buf_addf(why,
			    "'%s' is no address, network or word (give loopback, private, 10.0.0.0/8 or "
			    "[fd00::]/8, with :PORT if only that port is meant)",
			    shown);
		rc = -1;
	}
	buf_fini(&cause);
	free(copy);
	return rc;
}

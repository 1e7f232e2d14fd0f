/*
 * Every address is judged as 16 bytes: IPv4 as ::ffff:a.b.c.d, and an IPv6 form that tunnels an IPv4 address (mapped,
 * NAT64, 6to4) as the address it carries, so that ::ffff:127.0.0.1 does not get around a rule about 127.0.0.1.
 */
#include "fetch/allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

struct net {
	unsigned char at[16];
	int bits;
	int port; /* 0: any */
};

struct allow {
	struct net *nets;
	size_t count;
};

/* All IPv6 addresses that IANA has assigned to the public Internet. The others are reserved, local or multicast. */
static const struct net public_v6 = {.at = {0x20}, .bits = 3};

/* Addresses that are not public (IANA special-purpose registries, RFC 6890). For IPv6 only those inside public_v6 are
 * listed. 2002::/16 (6to4) is not: it is judged by the IPv4 address that it carries. */
static const struct {
	const char *at;
	int bits;
} special[] = {
    {"0.0.0.0", 8},
    {"10.0.0.0", 8},
    {"100.64.0.0", 10},
    {"127.0.0.0", 8},
    {"169.254.0.0", 16},
    {"172.16.0.0", 12},
    {"192.0.0.0", 24},
    {"192.0.2.0", 24},
    {"192.88.99.0", 24},
    {"192.168.0.0", 16},
    {"198.18.0.0", 15},
    {"198.51.100.0", 24},
    {"203.0.113.0", 24},
    {"224.0.0.0", 4},
    {"240.0.0.0", 4},
    /* protocol assignments, Teredo among them */
    {"2001::", 23},
    /* documentation (RFC 9637) */
    {"2001:db8::", 32},
    {"3fff::", 20},
};

static const struct {
	const char *word, *at;
	int bits;
} words[] = {
    {"loopback", "127.0.0.0", 8},
    {"loopback", "::1", 128},
    {"private", "10.0.0.0", 8},
    {"private", "172.16.0.0", 12},
    {"private", "192.168.0.0", 16},
    {"private", "fc00::", 7},
};

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

/* Reads an address as 16 bytes. `bits` counts within its family, -1: all; net->bits counts within 128. */
static int parse_net(const char *at, int bits, struct net *net)
{
	if (inet_pton(AF_INET, at, net->at + 12) == 1) {
		memcpy(net->at, mapped, sizeof mapped);
		net->bits = 96 + (bits < 0 ? 32 : bits);
		return bits <= 32 ? 0 : -1;
	}
	if (inet_pton(AF_INET6, at, net->at) != 1)
		return -1;
	net->bits = bits < 0 ? 128 : bits;
	return bits <= 128 ? 0 : -1;
}

/* Compares whole bytes first, then the bits that are left. */
static bool within(const unsigned char at[16], const struct net *net)
{
	int whole = net->bits / 8, rest = net->bits % 8;
	if (memcmp(at, net->at, (size_t)whole) != 0)
		return false;
	if (rest == 0)
		return true;
	unsigned mask = 0xffu << (8 - rest);
	return ((at[whole] ^ net->at[whole]) & mask & 0xff) == 0;
}

/* The address in the form in which it is judged. 0, or -1: neither IPv4 nor IPv6. */
static int to_bytes(const struct sockaddr *sa, unsigned char at[16], int *port)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
		memcpy(at, mapped, sizeof mapped);
		memcpy(at + 12, &in->sin_addr, 4);
		*port = ntohs(in->sin_port);
		return 0;
	}
	if (sa->sa_family != AF_INET6)
		return -1;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
	static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	const unsigned char *b = in6->sin6_addr.s6_addr;
	*port = ntohs(in6->sin6_port);
	memcpy(at, b, 16);
	if (memcmp(b, nat64, 12) == 0) {
		memcpy(at, mapped, sizeof mapped);
	} else if (b[0] == 0x20 && b[1] == 0x02) {
		memcpy(at, mapped, sizeof mapped);
		memcpy(at + 12, b + 2, 4);
	}
	return 0;
}

/* The tables are short, so parsing them each time costs less than a connection by far. */
static bool is_public(const unsigned char at[16])
{
	if (memcmp(at, mapped, sizeof mapped) != 0 && !within(at, &public_v6))
		return false;
	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
		struct net net = {0};
		parse_net(special[i].at, special[i].bits, &net);
		if (within(at, &net))
			return false;
	}
	return true;
}

bool allow_judge(const struct allow *a, const struct sockaddr *sa)
{
	unsigned char at[16];
	int port;
	if (to_bytes(sa, at, &port) != 0)
		return false;
	if (is_public(at))
		return true;
	for (size_t i = 0; a != NULL && i < a->count; i++)
		if (within(at, &a->nets[i]) && (a->nets[i].port == 0 || a->nets[i].port == port))
			return true;
	return false;
}

struct allow *allow_new(void)
{
	return calloc(1, sizeof(struct allow));
}

void allow_free(struct allow *a)
{
	if (a == NULL)
		return;
	free(a->nets);
	free(a);
}

static int add_net(struct allow *a, const struct net *net)
{
	struct net *nets = realloc(a->nets, (a->count + 1) * sizeof *nets);
	if (nets == NULL)
		return -1;
	a->nets = nets;
	a->nets[a->count++] = *net;
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

/* One item of the list: a word, an address or a network, each with or without a port. 0, or -1. */
static int add_item(struct allow *a, char *item)
{
	int port = take_port(item);
	if (port < 0)
		return -1;
	bool known = false;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(item, words[i].word) != 0)
			continue;
		struct net net = {.port = port};
		known = true;
		if (parse_net(words[i].at, words[i].bits, &net) != 0 || add_net(a, &net) != 0)
			return -1;
	}
	if (known)
		return 0;
	struct net net = {.port = port};
	int bits = -1;
	char *slash = strchr(item, '/');
	if (slash != NULL) {
		*slash = '\0';
		if ((bits = parse_number(slash + 1, 128)) < 0)
			return -1;
	}
	size_t n = strlen(item);
	if (item[0] == '[' && n > 1 && item[n - 1] == ']') {
		item[n - 1] = '\0';
		item++;
	}
	return parse_net(item, bits, &net) == 0 ? add_net(a, &net) : -1;
}

int allow_add(struct allow *a, const char *list, struct buf *why)
{
	char *copy = strdup(list), *rest = copy, *item;
	int rc = copy == NULL ? -1 : 0;
	while (rc == 0 && (item = strsep(&rest, ",")) != NULL) {
		while (*item == ' ')
			item++;
		char shown[128];
		snprintf(shown, sizeof shown, "%s", item);
		if (*item != '\0' && add_item(a, item) != 0) {
			buf_addf(why,
			    "--allow-to: '%s' is no address, network or word (give loopback, private, 10.0.0.0/8 or "
			    "[fd00::]/8, with :PORT if only that port is meant)",
			    shown);
			rc = -1;
		}
	}
	free(copy);
	return rc;
}

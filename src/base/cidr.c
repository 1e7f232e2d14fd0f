#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_MOST = 100 }; /* bytes of a wrong text that an error repeats */

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

int cidr_parse_address(struct span text, struct in6_addr *at)
{
	char copy[INET6_ADDRSTRLEN];
	if (text.len == 0 || text.len >= sizeof copy || memchr(text.at, '\0', text.len) != NULL)
		return -1;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, at->s6_addr + sizeof mapped) == 1) {
		memcpy(at->s6_addr, mapped, sizeof mapped);
		return 0;
	}
	return inet_pton(AF_INET6, copy, at) == 1 ? 0 : -1;
}

bool cidr_of_socket(const struct sockaddr *sa, struct in6_addr *at)
{
	if (sa->sa_family == AF_INET) {
		memcpy(at->s6_addr, mapped, sizeof mapped);
		memcpy(at->s6_addr + sizeof mapped, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		*at = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	} else {
		return false;
	}
	return true;
}

bool cidr_is_v4(const struct in6_addr *at)
{
	return memcmp(at->s6_addr, mapped, sizeof mapped) == 0;
}

bool cidr_is_loopback(const struct in6_addr *at)
{
	return cidr_is_v4(at) ? at->s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(at);
}

void cidr_print(const struct in6_addr *at, char text[INET6_ADDRSTRLEN])
{
	if (cidr_is_v4(at))
		inet_ntop(AF_INET, at->s6_addr + sizeof mapped, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, at, text, INET6_ADDRSTRLEN);
}

/* Clears the bits that follow the prefix. */
static void mask(struct in6_addr *at, int bits)
{
	for (int i = 0; i < 16; i++) {
		int keep = bits - 8 * i;
		if (keep < 8)
			at->s6_addr[i] = keep <= 0 ? 0 : (unsigned char)(at->s6_addr[i] & (0xff << (8 - keep)));
	}
}

/* A prefix length: digits, no leading zero. -1: it is none. */
static int read_bits(struct span text, int most)
{
	int n = 0;
	if (text.len == 0 || text.len > 3 || (text.len > 1 && text.at[0] == '0'))
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return -1;
		n = 10 * n + (text.at[i] - '0');
	}
	return n <= most ? n : -1;
}

static enum cidr_parsed unreadable(struct span text, struct buf *why)
{
	buf_addf(why, "'%.*s' is not an address or network (give 192.0.2.7, 10.0.0.0/8 or fd00::/8)",
	    (int)(text.len > SHOWN_MOST ? SHOWN_MOST : text.len), text.at);
	return CIDR_UNREADABLE;
}

/* bits: within all 128. most: how many the text counts. */
static enum cidr_parsed has_host_bits(
    struct span text, const struct in6_addr *at, const struct in6_addr *first, int bits, int most, struct buf *why)
{
	char network[INET6_ADDRSTRLEN], host[INET6_ADDRSTRLEN];
	cidr_print(first, network);
	cidr_print(at, host);
	int given = most - 128 + bits, shown = cidr_is_v4(first) ? bits - 96 : bits;
	buf_addf(why, "'%.*s' has bits set after its first %d (give %s/%d for the network, or %s for the one address)",
	    (int)text.len, text.at, given, network, shown, host);
	return CIDR_HOST_BITS;
}

enum cidr_parsed cidr_parse(struct span text, struct cidr *net, struct buf *why)
{
	const char *slash = text.len > 0 ? memchr(text.at, '/', text.len) : NULL;
	struct span at = span_make(text.at, slash != NULL ? (size_t)(slash - text.at) : text.len);
	bool bracketed = at.len > 2 && at.at[0] == '[' && at.at[at.len - 1] == ']';
	if (bracketed)
		at = span_make(at.at + 1, at.len - 2);
	/* Dots alone do not make it IPv4: ::ffff:10.0.0.0/104 counts within 128 bits. */
	bool v6 = at.len > 0 && memchr(at.at, ':', at.len) != NULL;
	if (cidr_parse_address(at, &net->at) != 0 || (bracketed && !v6))
		return unreadable(text, why);
	int most = v6 ? 128 : 32, bits = most;
	if (slash != NULL && (bits = read_bits(span_from(text, (size_t)(slash - text.at) + 1), most)) < 0) {
		buf_addf(why, "'%.*s' has no valid prefix length (give a number from 0 to %d after the slash)",
		    (int)(text.len > SHOWN_MOST ? SHOWN_MOST : text.len), text.at, most);
		return CIDR_UNREADABLE;
	}
	net->bits = bits + 128 - most;
	struct in6_addr first = net->at;
	mask(&first, net->bits);
	bool same = memcmp(&first, &net->at, sizeof first) == 0;
	return same ? CIDR_READ : has_host_bits(text, &net->at, &first, net->bits, most, why);
}

/* Compares whole bytes first, then the bits that are left. */
bool cidr_holds(const struct cidr *net, const struct in6_addr *at)
{
	int whole = net->bits / 8, rest = net->bits % 8;
	if (net->bits < 96 && cidr_is_v4(at))
		return false;
	if (memcmp(at->s6_addr, net->at.s6_addr, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((at->s6_addr[whole] ^ net->at.s6_addr[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static int add_net(struct cidr_list *l, const struct cidr *net, struct buf *why)
{
	struct cidr *nets = realloc(l->nets, (l->count + 1) * sizeof *nets);
	if (nets == NULL) {
		buf_adds(why, "out of memory");
		return -1;
	}
	l->nets = nets;
	l->nets[l->count++] = *net;
	return 0;
}

int cidr_list_add(struct cidr_list *l, struct span text, struct buf *why)
{
	static const char between[] = ", \t";
	struct cidr net;
	size_t items = 0;
	if (span_is(span_trim(text), "none"))
		return 0;
	for (size_t i = 0, n; i < text.len; i += n) {
		for (n = 0; i + n < text.len && strchr(between, text.at[i + n]) == NULL; n++)
			;
		if (n == 0) {
			n = 1;
			continue;
		}
		if (cidr_parse(span_make(text.at + i, n), &net, why) != CIDR_READ || add_net(l, &net, why) != 0)
			return -1;
		items++;
	}
	if (items > 0)
		return 0;
	unreadable(text, why);
	return -1;
}

bool cidr_list_holds(const struct cidr_list *l, const struct in6_addr *at)
{
	for (size_t i = 0; i < l->count; i++)
		if (cidr_holds(&l->nets[i], at))
			return true;
	return false;
}

void cidr_list_fini(struct cidr_list *l)
{
	free(l->nets);
	*l = (struct cidr_list){NULL, 0};
}

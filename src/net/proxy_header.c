#include "net/proxy_header.h"

#include "base/cidr.h"

#include <arpa/inet.h>

static const char v1_start[] = "PROXY ", v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
	V1_START = sizeof v1_start - 1,
	V2_START = sizeof v2_start - 1,
	V1_MOST = 107, /* bytes of a line, its CRLF included */
	V2_FIXED = 16,
	V2_UNIX_BYTES = 216
};

static enum proxy_header_parsed bad(struct proxy_header *h, const char *why)
{
	h->fault = why;
	return PROXY_HEADER_BAD;
}

/* True when bytes and start agree as far as both go. */
static bool agrees(struct span bytes, const char *start, size_t n)
{
	return bytes.len > 0 && memcmp(bytes.at, start, bytes.len < n ? bytes.len : n) == 0;
}

/* --- version 1 --- */

/* Takes a word up to the next blank or the end off the front of *rest. False: there is none. */
static bool take_word(struct span *rest, struct span *word)
{
	const char *blank = rest->len > 0 ? memchr(rest->at, ' ', rest->len) : NULL;
	*word = span_make(rest->at, blank != NULL ? (size_t)(blank - rest->at) : rest->len);
	*rest = span_from(*rest, blank != NULL ? word->len + 1 : word->len);
	return word->len > 0 && (blank == NULL || rest->len > 0);
}

static bool is_port(struct span word)
{
	int n = 0;
	if (word.len == 0 || word.len > 5 || (word.len > 1 && word.at[0] == '0'))
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.at[i] < '0' || word.at[i] > '9')
			return false;
		n = n * 10 + (word.at[i] - '0');
	}
	return n <= 65535;
}

/* An address in the notation of its family: dots alone, or colons. */
static bool read_address(struct span word, bool v6, struct in6_addr *at)
{
	return (memchr(word.at, ':', word.len) != NULL) == v6 && cidr_parse_address(word, at) == 0;
}

static enum proxy_header_parsed read_line(struct span line, struct proxy_header *h)
{
	struct span family, source, target, port, other_port;
	struct in6_addr ignored;
	line = span_from(line, V1_START);
	if (span_is(line, "UNKNOWN") || span_starts(line, "UNKNOWN ")) {
		h->sender = PROXY_HEADER_UNKNOWN; /* what follows is to be ignored */
		return PROXY_HEADER_WHOLE;
	}
	if (!take_word(&line, &family) || (!span_is(family, "TCP4") && !span_is(family, "TCP6")))
		return bad(h, "its protocol is not TCP4, TCP6 or UNKNOWN");
	bool v6 = span_is(family, "TCP6");
	if (!take_word(&line, &source) || !take_word(&line, &target) || !take_word(&line, &port) ||
	    !take_word(&line, &other_port) || line.len > 0)
		return bad(h, "it does not have two addresses and two ports");
	if (!read_address(source, v6, &h->client) || !read_address(target, v6, &ignored))
		return bad(h, "an address is malformed");
	if (!is_port(port) || !is_port(other_port))
		return bad(h, "a port is malformed");
	h->sender = PROXY_HEADER_CLIENT;
	return PROXY_HEADER_WHOLE;
}

static enum proxy_header_parsed parse_v1(struct span bytes, struct proxy_header *h)
{
	size_t most = bytes.len < V1_MOST ? bytes.len : V1_MOST;
	const char *cr = memchr(bytes.at, '\r', most), *lf = memchr(bytes.at, '\n', most);
	if (cr == NULL && lf == NULL)
		return most < V1_MOST ? PROXY_HEADER_MORE : bad(h, "its line is longer than 107 bytes");
	if (lf == NULL && cr + 1 == bytes.at + bytes.len && most < V1_MOST)
		return PROXY_HEADER_MORE;
	if (cr == NULL || lf != cr + 1)
		return bad(h, "its line does not end with CR and LF");
	h->bytes = (size_t)(lf + 1 - bytes.at);
	return read_line(span_make(bytes.at, (size_t)(cr - bytes.at)), h);
}

/* --- version 2 --- */

/* True when extensions fill the bytes exactly: each has a type, a length of two bytes, and as many bytes. */
static bool are_extensions(struct span rest)
{
	while (rest.len > 0) {
		if (rest.len < 3)
			return false;
		size_t n = 3 + ((size_t)(unsigned char)rest.at[1] << 8 | (unsigned char)rest.at[2]);
		if (n > rest.len)
			return false;
		rest = span_from(rest, n);
	}
	return true;
}

/* The addresses and extensions of the command PROXY. family: the byte with family and protocol. */
static enum proxy_header_parsed read_addresses(unsigned char family, struct span rest, struct proxy_header *h)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	size_t n = 0;
	h->sender = family == 0x00 || family == 0x31 ? PROXY_HEADER_UNKNOWN : PROXY_HEADER_CLIENT;
	switch (family) {
	case 0x00: /* unspecified: everything is to be ignored */
		return PROXY_HEADER_WHOLE;
	case 0x11: /* TCP over IPv4 */
		n = 12;
		break;
	case 0x21: /* TCP over IPv6 */
		n = 36;
		break;
	case 0x31: /* a unix stream */
		n = V2_UNIX_BYTES;
		break;
	default:
		return bad(h, "its family and protocol are not those of a stream");
	}
	if (rest.len < n)
		return bad(h, "it is too short for its addresses");
	if (family == 0x11) {
		memcpy(&v4.sin_addr, rest.at, 4);
		cidr_of_socket((const struct sockaddr *)&v4, &h->client);
	} else if (family == 0x21) {
		memcpy(&h->client, rest.at, 16);
	}
	return are_extensions(span_from(rest, n)) ? PROXY_HEADER_WHOLE : bad(h, "its extensions are malformed");
}

static enum proxy_header_parsed parse_v2(struct span bytes, struct proxy_header *h)
{
	if (bytes.len < V2_FIXED)
		return PROXY_HEADER_MORE;
	const unsigned char *b = (const unsigned char *)bytes.at;
	size_t n = (size_t)b[14] << 8 | b[15];
	if (b[12] >> 4 != 2)
		return bad(h, "its version is not 2");
	if ((b[12] & 0xf) > 1)
		return bad(h, "its command is not LOCAL or PROXY");
	if (V2_FIXED + n > PROXY_HEADER_MOST)
		return bad(h, "it is longer than 16 KiB");
	if (bytes.len < V2_FIXED + n)
		return PROXY_HEADER_MORE;
	h->bytes = V2_FIXED + n;
	h->sender = PROXY_HEADER_FRONT;
	if ((b[12] & 0xf) == 0)
		return PROXY_HEADER_WHOLE;
	return read_addresses(b[13], span_make(bytes.at + V2_FIXED, n), h);
}

enum proxy_header_parsed proxy_header_parse(struct span bytes, struct proxy_header *h)
{
	*h = (struct proxy_header){.fault = NULL};
	if (agrees(bytes, v1_start, V1_START))
		return bytes.len < V1_START ? PROXY_HEADER_MORE : parse_v1(bytes, h);
	if (agrees(bytes, v2_start, V2_START))
		return bytes.len < V2_START ? PROXY_HEADER_MORE : parse_v2(bytes, h);
	return bytes.len > 0 ? PROXY_HEADER_OTHER : PROXY_HEADER_MORE;
}

bool proxy_header_begins(struct span bytes)
{
	return (bytes.len >= V1_START && agrees(bytes, v1_start, V1_START)) ||
	       (bytes.len >= V2_START && agrees(bytes, v2_start, V2_START));
}

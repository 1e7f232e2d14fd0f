/*
 * For requests, everything ambiguous is refused: a request whose length two parties read differently is how a request
 * is smuggled (RFC 9112 11.2). For responses, the precedence of the RFC is followed: the connection to the origin is
 * libcurl's, and a disagreement there costs only that response.
 */
#include "http/framing.h"

#include "http/field.h"

#include <string.h>

static int refuse(struct fault *fault, int status, const char *why)
{
	fault->status = status;
	fault->why = why;
	return -1;
}

/* 1*DIGIT (RFC 9110 8.6); -1 when malformed or too large. */
static int64_t read_length(struct span s)
{
	int64_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return -1;
		int digit = s.at[i] - '0';
		if (n > (INT64_MAX - digit) / 10)
			return -1;
		n = n * 10 + digit;
	}
	return s.len == 0 ? -1 : n;
}

/* All Content-Length values of the head: 0 none, 1 one (identical repetitions included, RFC
 * 9110 8.6), -1 malformed or differing. */
static int find_length(const struct head *head, int64_t *length)
{
	int found = 0;
	for (size_t i = 0; i < head->count; i++) {
		if (!span_is_nocase(head->fields[i].name, "Content-Length"))
			continue;
		struct span rest = head->fields[i].value, member;
		bool any = false;
		while (field_next(&rest, &member)) {
			int64_t n = read_length(member);
			if (n < 0 || (found && n != *length))
				return -1;
			*length = n;
			found = 1;
			any = true;
		}
		if (!any)
			return -1;
	}
	return found;
}

enum coding {
	CODING_NONE,
	CODING_CHUNKED,
	CODING_TWICE,
	CODING_NOT_LAST,
	CODING_COMPRESSED, /* registered, but not decoded here, and never requested in TE */
	CODING_UNKNOWN,    /* with chunked after it or without */
	CODING_MALFORMED   /* breaks the grammar, or is chunked with parameters, which do not exist */
};

static bool is_compression(struct span name)
{
	static const char *const names[] = {"gzip", "x-gzip", "deflate", "compress", "x-compress"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

/* `identity` was a coding until RFC 7230 dropped it; old servers still send it, and mean no coding. */
static enum coding find_coding(const struct head *head)
{
	enum coding coding = CODING_NONE;
	for (size_t i = 0; i < head->count; i++) {
		if (!span_is_nocase(head->fields[i].name, "Transfer-Encoding"))
			continue;
		struct span rest = head->fields[i].value, member;
		bool any = false;
		while (field_next(&rest, &member)) {
			struct span name = field_bare(member); /* RFC 9112 7 */
			any = true;
			if (head->method.len == 0 && span_is_nocase(member, "identity"))
				continue;
			bool chunked = span_is_nocase(name, "chunked");
			if (!message_is_token(name) || (chunked && name.len < member.len))
				return CODING_MALFORMED; /* another reader may take it for chunked (7.1) */
			if (coding == CODING_CHUNKED)
				return chunked ? CODING_TWICE : CODING_NOT_LAST;
			if (is_compression(name))
				return CODING_COMPRESSED;
			coding = chunked && coding == CODING_NONE ? CODING_CHUNKED : CODING_UNKNOWN;
		}
		if (!any)
			return CODING_UNKNOWN;
	}
	return coding;
}

int framing_of_request(const struct head *head, enum framing *framing, int64_t *length, struct fault *fault)
{
	*length = 0;
	bool coded = message_has(head, "Transfer-Encoding");
	if (coded && message_has(head, "Content-Length"))
		return refuse(fault, 400, "Content-Length together with Transfer-Encoding (RFC 9112 6.1)");
	if (coded && head->minor == 0)
		return refuse(fault, 400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)");
	switch (find_coding(head)) {
	case CODING_CHUNKED:
		*framing = FRAMING_CHUNKED;
		return 0;
	case CODING_TWICE:
		return refuse(fault, 400, "chunked is applied twice (RFC 9112 6.1)");
	case CODING_NOT_LAST:
		return refuse(fault, 400, "chunked is not the last coding (RFC 9112 6.3)");
	case CODING_COMPRESSED:
	case CODING_UNKNOWN:
	case CODING_MALFORMED:
		return refuse(fault, 501, "chunked is the only supported transfer coding (RFC 9112 6.1)");
	case CODING_NONE:
		break;
	}
	int found = find_length(head, length);
	if (found < 0)
		return refuse(
		    fault, 400, "Content-Length is malformed, or there are two different ones (RFC 9112 6.3)");
	*framing = found ? FRAMING_LENGTH : FRAMING_NO_BODY;
	return 0;
}

int framing_of_response(
    const struct head *head, struct span method, enum framing *framing, int64_t *length, struct fault *fault)
{
	*length = 0;
	*framing = FRAMING_NO_BODY;
	int status = head->status;
	if (span_is(method, "HEAD") || status / 100 == 1 || status == 204 || status == 304)
		return 0;
	if (span_is(method, "CONNECT") && status / 100 == 2)
		return 0;
	switch (find_coding(head)) {
	case CODING_CHUNKED:
		*framing = FRAMING_CHUNKED; /* overrides a Content-Length, RFC 9112 6.3 */
		return 0;
	case CODING_UNKNOWN:
		return refuse(fault, 502,
		    "the origin used an unknown transfer coding, so its content cannot be read (RFC 9112 7)");
	case CODING_COMPRESSED:
		return refuse(
		    fault, 502, "the origin compressed the transfer, which curlew did not request (RFC 9112 7.2)");
	case CODING_TWICE:
	case CODING_NOT_LAST:
		return refuse(
		    fault, 502, "chunked is not the last transfer coding, or not the only one (RFC 9112 6.1)");
	case CODING_MALFORMED:
		return refuse(fault, 502, "the origin's Transfer-Encoding is malformed (RFC 9112 7)");
	case CODING_NONE:
		break;
	}
	int found = find_length(head, length);
	if (found < 0)
		return refuse(fault, 502, "the origin's Content-Length is malformed (RFC 9112 6.3)");
	*framing = found ? FRAMING_LENGTH : FRAMING_UNTIL_CLOSE;
	return 0;
}

/*
 * message: HTTP/1.x heads (RFC 9112 2 to 5, RFC 9110 5 and 6).
 *
 * Pure: no I/O, no globals. A parsed head borrows the bytes it was parsed from; they must outlive it and not move.
 * Requests are parsed strictly (RFC 9112 2.2, 3, 5: no bare CR, no space before a colon, no obs-fold, token names,
 * one Host); a malformed request is refused with a status and a sentence, and never repaired.
 * One head belongs to one thread at a time.
 */
#ifndef CURLEW_HTTP_MESSAGE_H
#define CURLEW_HTTP_MESSAGE_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	MESSAGE_LINE_MAX = 16 << 10, /* bytes of a request line: above: 414 */
	MESSAGE_HEAD_MAX = 64 << 10, /* bytes of a request head: above: 431 */
	MESSAGE_FIELDS_MAX = 256, /* field lines of a request head: above: 431. For an origin only bytes are limited */
	MESSAGE_TEXT_MAX = 256 << 10 /* bytes of field lines that message_parse_fields() reads */
};

struct field {
	struct span name;
	struct span value;  /* without the white space around it */
	bool in_connection; /* Connection names it: it is for this hop only (RFC 9110 7.6.1) */
};

struct head {
	struct span method; /* requests only */
	struct span target; /* requests only */
	int status;         /* responses only */
	int minor;          /* HTTP/1.minor: 0 or 1 */
	size_t bytes;       /* length of the head, its empty line included */
	struct field *fields;
	size_t count;
	size_t capacity;
	/* For the parsers only: the fields ordered by name, those of one name in their original order, for binary
	 * search. */
	const struct field **by_name;
	size_t by_name_room;
	size_t by_name_count; /* 0 when there are few fields, or the head was made by hand */
};

/* Why a message is refused: an HTTP status and a sentence (a literal) for its sender. */
struct fault {
	int status;
	const char *why;
};

enum message_parsed {
	MESSAGE_MORE,  /* no fault so far, and no end yet */
	MESSAGE_WHOLE, /* head filled */
	MESSAGE_BAD    /* fault filled */
};

void message_init(struct head *);
void message_fini(struct head *);

/* Parses a request head at the start of bytes. Leading empty lines are skipped (RFC 9112 2.2) and counted in
 * head->bytes. 400, 414, 431, 503, 505 as fault. May be called again with more bytes; earlier content of head is
 * replaced. Linear time. */
enum message_parsed message_parse_request(struct head *, struct span bytes, struct fault *);

/* Parses a response head of HTTP/1.x at the start of bytes. Its fields are read as by message_parse_fields(). 502 as
 * fault. May be called again with more bytes. */
enum message_parsed message_parse_response(struct head *, struct span bytes, struct fault *);

/* Parses field lines, "Name: value" each ended by LF or CRLF, as kept in entry.headers or received from an origin;
 * stops at an empty line or the end. Malformed lines are left out. The later lines of a folded field are malformed too:
 * the caller must join them with a space first (RFC 9112 5.2). 0, or -1 when memory failed or the text is too long. */
int message_parse_fields(struct head *, struct span text);

/* "GET /x HTTP/1.1" as received, of a head parsed by message_parse_request(). */
struct span message_request_line(const struct head *);

/* The next line of that name after the line `after` (NULL: the first of all), or NULL. Names match without case. A
 * binary search when there are many fields, so it may be used in a loop over fields. */
const struct field *message_next(const struct head *, struct span name, const struct field *after);
/* Removes all lines of that name from a parsed head. Pointers to its fields become invalid. */
void message_leave_out(struct head *, const char *name);
/* The value of the first line of that name; {NULL, 0} when there is none. */
struct span message_find(const struct head *, const char *name);
bool message_has(const struct head *, const char *name);
/* True when the comma list `name` has the member token (without case; parameters ignored). */
bool message_lists(const struct head *, const char *name, const char *token);

/* For a field of a parsed head: true unless it is hop-by-hop: Connection and what it names, Keep-Alive,
 * Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade, Proxy-Authenticate, Proxy-Authorization,
 * Proxy-Authentication-Info (RFC 9110 7.6.1). */
bool message_is_end_to_end(const struct field *);

/* True when the sender of this request keeps the connection open (RFC 9112 9.3). */
bool message_keeps_alive(const struct head *);

bool message_is_token(struct span);
/* uri-host [":" port] by the grammar (RFC 9110 7.2, authority_split()); may be empty. */
bool message_is_host(struct span);

#endif

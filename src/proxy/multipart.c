/* The length of all parts is computed before the first byte is sent, so that the response has a Content-Length. */
#include "proxy/multipart.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

enum { BOUNDARY = 33 };

static void make_boundary(char out[BOUNDARY])
{
	unsigned char random[16] = {0};
	if (getrandom(random, sizeof random, 0) < 0)
		random[0] = 1; /* a boundary that can be guessed still separates the parts */
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(out + 2 * i, 3, "%02x", random[i]);
}

static void part_head(struct buf *out, const char *boundary, struct span type, struct range range, int64_t whole)
{
	buf_addf(out, "\r\n--%s\r\n", boundary);
	if (type.at != NULL)
		buf_addf(out, "Content-Type: %.*s\r\n", (int)type.len, type.at);
	buf_addf(
	    out, "Content-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64 "\r\n\r\n", range.first, range.last, whole);
}

/* Copies the fields without Content-Type: each part has its own. */
static void without_type(struct buf *out, struct span fields)
{
	struct span line;
	while (span_next_line(&fields, &line)) {
		if (span_starts_nocase(line, "Content-Type:"))
			continue;
		buf_addspan(out, line);
		buf_addc(out, '\n');
	}
}

int multipart_respond(struct exchange *x, const struct representation *rep, struct response_head *r, struct span type,
    const struct range *ranges, size_t count)
{
	char boundary[BOUNDARY];
	struct buf fields, text;
	struct sink *s = x->sink;
	buf_init(&fields, BUF_HEAD);
	buf_init(&text, 2 * BUF_HEAD); /* the head of one part: a Content-Type of at most BUF_HEAD, and our own lines */
	make_boundary(boundary);
	r->body_bytes = 0;
	for (size_t i = 0; i < count; i++) {
		buf_clear(&text);
		part_head(&text, boundary, type, ranges[i], rep->bytes);
		r->body_bytes += (int64_t)text.len + ranges[i].last - ranges[i].first + 1;
	}
	buf_clear(&text);
	buf_addf(&text, "\r\n--%s--\r\n", boundary);
	r->body_bytes += (int64_t)text.len;
	without_type(&fields, rep->fields);
	buf_addf(&fields, "Content-Type: multipart/byteranges; boundary=%s\n", boundary);
	r->status = x->status = 206;
	r->fields = buf_span(&fields);
	int rc = s->begin(s, r);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		buf_clear(&text);
		part_head(&text, boundary, type, ranges[i], rep->bytes);
		rc = s->bytes(s, buf_str(&text), text.len);
		if (rc == 0)
			rc = representation_send(x, rep, ranges[i].first, ranges[i].last - ranges[i].first + 1);
	}
	buf_clear(&text);
	buf_addf(&text, "\r\n--%s--\r\n", boundary);
	if (rc == 0)
		rc = s->bytes(s, buf_str(&text), text.len);
	if (rc == 0)
		rc = s->end(s, span_make(NULL, 0));
	buf_fini(&fields);
	buf_fini(&text);
	return rc;
}

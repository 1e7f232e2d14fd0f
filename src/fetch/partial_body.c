/*
 * Only bytes without a gap are of use: those from the beginning of the body up to the first gap, and those after the
 * last gap up to its end. What is stored between two gaps is fetched again, because one request asks for one range.
 *
 * Bytes of several responses are combined by a strong validator only (RFC 9111 3.4).
 */
#include "fetch/partial_body.h"

#include "http/conditions.h"
#include "http/content_coding.h"
#include "http/field.h"
#include "http/range.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

void partial_body_free(struct partial_body *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->count; i++)
		close(b->segments[i].fd);
	free(b->segments);
	entry_free(b->of);
	free(b);
}

static struct partial_body *partial_new(const struct index_parts *parts)
{
	struct partial_body *b = calloc(1, sizeof *b);
	if (b == NULL)
		return NULL;
	b->whole_bytes = parts->whole_bytes;
	b->of = entry_copy(parts->of);
	b->segments = calloc(2 * parts->count, sizeof *b->segments); /* a part may be on both sides of the hole */
	if (b->of != NULL && b->segments != NULL)
		return b;
	partial_body_free(b);
	return NULL;
}

/* Adds the segments for the bytes from first up to, not including, end_at. 0, or -1: a part has lost its file, or does
 * not reach. The index sorts parts by their first byte. */
static int add_segments(
    struct partial_body *b, struct store *store, const struct index_parts *parts, int64_t first, int64_t end_at)
{
	int64_t at = first;
	for (size_t i = 0; i < parts->count && at < end_at; i++) {
		const struct part *p = &parts->parts[i];
		int64_t end = p->first_byte + p->body_bytes;
		if (p->first_byte > at || end <= at)
			continue;
		int fd = store_open_part(store, p);
		if (fd < 0)
			return -1;
		int64_t n = (end < end_at ? end : end_at) - at;
		b->segments[b->count++] =
		    (struct partial_body_segment){.at = at, .n = n, .offset = at - p->first_byte, .fd = fd};
		at += n;
	}
	return at >= end_at ? 0 : -1;
}

/* The offset from which all bytes up to the end are stored. */
static int64_t find_tail(const struct index_parts *parts)
{
	int64_t from = parts->whole_bytes;
	for (size_t i = parts->count; i > 0 && from > 0; i--) {
		const struct part *p = &parts->parts[i - 1];
		if (p->first_byte < from && p->first_byte + p->body_bytes >= from)
			from = p->first_byte;
	}
	return from;
}

/* head: bytes stored from the beginning on. tail: where the bytes at the end begin, if the length is known. */
struct partial_body *partial_body_to_complete(struct store *store, const struct index_parts *parts)
{
	int64_t whole = parts->whole_bytes;
	int64_t head = index_parts_cover(parts, 0), tail = whole >= 0 ? find_tail(parts) : -1;
	/* Every byte is stored. Leave out the last one, so that the origin is asked. */
	if (whole >= 0 && head >= whole) {
		head = whole - 1;
		tail = whole;
	}
	if (head == 0 && (tail < 0 || tail == whole))
		return NULL;
	struct partial_body *b = partial_new(parts);
	if (b == NULL)
		return NULL;
	b->hole_first = head;
	b->hole_last = tail >= 0 && tail < whole ? tail - 1 : -1;
	if (add_segments(b, store, parts, 0, head) == 0 &&
	    (tail < 0 || add_segments(b, store, parts, tail, whole) == 0))
		return b;
	partial_body_free(b);
	return NULL;
}

struct partial_body *partial_body_of_range(
    struct store *store, const struct index_parts *parts, int64_t first, int64_t last)
{
	struct partial_body *b = partial_new(parts);
	if (b == NULL)
		return NULL;
	b->hole_first = b->hole_last = last + 1;
	if (add_segments(b, store, parts, first, last + 1) == 0)
		return b;
	partial_body_free(b);
	return NULL;
}

const struct partial_body_segment *partial_body_find(const struct partial_body *b, int64_t at)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->segments[i].at <= at && at < b->segments[i].at + b->segments[i].n)
			return &b->segments[i];
	return NULL;
}

/* The strong validator of the stored parts, borrowed from `head`, which is filled with their fields. The caller has
 * initialised `head` and frees it. */
static struct span validator_of(const struct partial_body *b, int64_t now, struct head *head, bool *is_tag)
{
	*is_tag = false;
	if (message_parse_fields(head, span_of(b->of->headers)) != 0)
		return span_make(NULL, 0);
	return conditions_strong_validator(head, now, is_tag);
}

int partial_body_add_range(struct buf *out, int64_t first, int64_t last, struct span validator)
{
	buf_addf(out, "Range: bytes=%" PRId64 "-", first);
	if (last >= 0)
		buf_addf(out, "%" PRId64, last);
	buf_addc(out, '\n');
	if (validator.len > 0) {
		buf_adds(out, "If-Range: ");
		buf_addspan(out, validator);
		buf_addc(out, '\n');
	}
	return out->failed ? -1 : 0;
}

int partial_body_fields(const struct partial_body *b, int64_t now, struct buf *out)
{
	struct head head;
	bool is_tag;
	message_init(&head);
	int rc = partial_body_add_range(out, b->hole_first, b->hole_last, validator_of(b, now, &head, &is_tag));
	message_fini(&head);
	return rc;
}

bool partial_body_matches(const struct head *response, int64_t now, int64_t first, int64_t last, int64_t *whole_bytes,
    struct span validator, bool is_tag)
{
	struct range range;
	int64_t whole;
	bool theirs_is_tag;
	if (response->status != 206 || validator.len == 0 || range_of_response(response, &range, &whole) != 0)
		return false;
	struct span theirs = conditions_strong_validator(response, now, &theirs_is_tag);
	/* A 206 must repeat the validator (RFC 9110 15.3.7). One that does not is not combined (RFC 9111 3.4). */
	/* Strong comparison: same kind, same text (RFC 9110 8.8.3.2). */
	bool same = theirs.len > 0 && theirs_is_tag == is_tag && span_same(theirs, validator);
	if (!same || whole < 0 || (*whole_bytes >= 0 && whole != *whole_bytes))
		return false;
	*whole_bytes = whole;
	return range.first == first && range.last == (last >= 0 ? last : whole - 1);
}

bool partial_body_fits(const struct partial_body *b, const struct head *response, int64_t now, int64_t *whole_bytes)
{
	struct head head;
	bool is_tag;
	message_init(&head);
	struct span validator = validator_of(b, now, &head, &is_tag);
	*whole_bytes = b->whole_bytes;
	bool fits = content_coding_is_same(response, &head) &&
		    partial_body_matches(response, now, b->hole_first, b->hole_last, whole_bytes, validator, is_tag);
	message_fini(&head);
	return fits;
}

/* Parts are joined by a strong validator only (RFC 9111 3.4), and only bytes that stand without a gap behind one
 * another are of use. */
#include "fetch/partial_body.h"

#include "http/conditions.h"
#include "http/content_coding.h"
#include "http/field.h"
#include "http/range.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

void partial_body_free(struct partial_body *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++)
		close(r->pieces[i].fd);
	free(r->pieces);
	entry_free(r->of);
	free(r);
}

static struct partial_body *reserve_new(const struct index_parts *parts)
{
	struct partial_body *r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	r->whole_bytes = parts->whole_bytes;
	r->of = entry_copy(parts->of);
	r->pieces = calloc(2 * parts->count, sizeof *r->pieces); /* a part may stand on both sides of the hole */
	if (r->of != NULL && r->pieces != NULL)
		return r;
	partial_body_free(r);
	return NULL;
}

/* Adds the pieces that hold bytes first up to behind. 0, or -1: one has lost its file. */
static int add_pieces(
    struct partial_body *r, struct store *store, const struct index_parts *parts, int64_t first, int64_t behind)
{
	int64_t at = first;
	for (size_t i = 0; i < parts->count && at < behind; i++) {
		const struct part *p = &parts->parts[i];
		int64_t end = p->first_byte + p->body_bytes;
		if (p->first_byte > at || end <= at)
			continue;
		int fd = store_open_part(store, p);
		if (fd < 0)
			return -1;
		int64_t n = (end < behind ? end : behind) - at;
		r->pieces[r->count++] =
		    (struct partial_body_segment){.at = at, .n = n, .skip = at - p->first_byte, .fd = fd};
		at += n;
	}
	return at >= behind ? 0 : -1;
}

/* Where the bytes that reach to the end without a gap begin. */
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

struct partial_body *partial_body_to_complete(struct store *store, const struct index_parts *parts)
{
	int64_t whole = parts->whole_bytes;
	int64_t head = index_parts_cover(parts, 0), tail = whole >= 0 ? find_tail(parts) : -1;
	if (whole >= 0 && head >= whole) {
		head = whole - 1;
		tail = whole;
	}
	if (head == 0 && (tail < 0 || tail == whole))
		return NULL;
	struct partial_body *r = reserve_new(parts);
	if (r == NULL)
		return NULL;
	r->hole_first = head;
	r->hole_last = tail >= 0 && tail < whole ? tail - 1 : -1;
	if (add_pieces(r, store, parts, 0, head) == 0 && (tail < 0 || add_pieces(r, store, parts, tail, whole) == 0))
		return r;
	partial_body_free(r);
	return NULL;
}

struct partial_body *partial_body_of_range(
    struct store *store, const struct index_parts *parts, int64_t first, int64_t last)
{
	struct partial_body *r = reserve_new(parts);
	if (r == NULL)
		return NULL;
	r->hole_first = r->hole_last = last + 1;
	if (add_pieces(r, store, parts, first, last + 1) == 0)
		return r;
	partial_body_free(r);
	return NULL;
}

const struct partial_body_segment *partial_body_find(const struct partial_body *r, int64_t at)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->pieces[i].at <= at && at < r->pieces[i].at + r->pieces[i].n)
			return &r->pieces[i];
	return NULL;
}

/* The validator of what is stored, borrowed from its headers through `head`, which the caller initialised. */
static struct span validator_of(const struct partial_body *r, int64_t now, struct head *head, bool *is_tag)
{
	*is_tag = false;
	if (message_parse_fields(head, span_of(r->of->headers)) != 0)
		return span_make(NULL, 0);
	return conditions_strong_validator(head, now, is_tag);
}

int partial_body_ask(struct buf *out, int64_t first, int64_t last, struct span validator)
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

int partial_body_fields(const struct partial_body *r, int64_t now, struct buf *out)
{
	struct head head;
	bool is_tag;
	message_init(&head);
	int rc = partial_body_ask(out, r->hole_first, r->hole_last, validator_of(r, now, &head, &is_tag));
	message_fini(&head);
	return rc;
}

bool partial_body_answers(const struct head *response, int64_t now, int64_t first, int64_t last, int64_t *whole_bytes,
    struct span validator, bool is_tag)
{
	struct range range;
	int64_t whole;
	bool theirs_is_tag;
	if (response->status != 206 || validator.len == 0 || range_of_response(response, &range, &whole) != 0)
		return false;
	struct span theirs = conditions_strong_validator(response, now, &theirs_is_tag);
	/* Who says none is not believed, though it must have one to say (RFC 9110 15.3.7, RFC 9111 3.4). */
	bool same = theirs.len > 0 && theirs_is_tag == is_tag && span_same(theirs, validator);
	if (!same || whole < 0 || (*whole_bytes >= 0 && whole != *whole_bytes))
		return false;
	*whole_bytes = whole;
	return range.first == first && range.last == (last >= 0 ? last : whole - 1);
}

bool partial_body_fits(const struct partial_body *r, const struct head *response, int64_t now, int64_t *whole_bytes)
{
	struct head head;
	bool is_tag;
	message_init(&head);
	struct span validator = validator_of(r, now, &head, &is_tag);
	*whole_bytes = r->whole_bytes;
	bool fits = content_coding_is_same(response, &head) &&
		    partial_body_answers(response, now, r->hole_first, r->hole_last, whole_bytes, validator, is_tag);
	message_fini(&head);
	return fits;
}

/*
 * part: stored byte ranges of an incomplete body (RFC 9111 3.3, 3.4), as the program holds them. One thread at a time
 * uses them.
 */
#ifndef CURLEW_INDEX_PART_H
#define CURLEW_INDEX_PART_H

#include "index/entry.h"

#include <stddef.h>

/* Where a range is in the whole body, and what allows it to be joined with others. */
struct part_place {
	int64_t first_byte;
	int64_t whole_bytes; /* -1: not known */
	enum {
		PART_ALONE, /* no strong validator: it is never joined */
		PART_BY_ETAG,
		PART_BY_MODIFIED /* a Last-Modified that is strong (RFC 9110 8.8.2.2) */
	} joined;
};

struct part {
	int64_t id;
	int64_t first_byte;
	int64_t body_bytes;
	char *body_file;
	bool has_sha256;
	unsigned char sha256[32];
};

/* The stored ranges of one response, in order of their first byte. No range lies within another. */
struct index_parts {
	struct entry *of; /* what they are parts of: its fields and times, as of the latest response; no body of its
			     own, id 0 */
	int64_t whole_bytes;
	struct part *parts;
	size_t count;
};
void index_parts_free(struct index_parts *);

/* How many bytes from `first` on are there without a gap. */
int64_t index_parts_cover(const struct index_parts *, int64_t first);

#endif

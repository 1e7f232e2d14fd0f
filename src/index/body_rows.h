/* body_rows: the rows that own body files, whether entries or parts. The thread of the connection calls. */
#ifndef CURLEW_INDEX_BODY_ROWS_H
#define CURLEW_INDEX_BODY_ROWS_H

#include "index/index.h"
#include "index/rows.h"

#include <stdbool.h>
#include <stdint.h>

/* The row that owns a body file. */
struct index_owner {
	int64_t entry_id;   /* 0: a part owns it */
	int64_t body_bytes; /* -1: the row is invalid */
	bool has_sha256;
	unsigned char sha256[32];
};
enum index_result index_owner(struct index *, const char *body_file, struct index_owner *);

/* A row as `curlew verify` looks at it. */
struct index_body {
	int64_t id, body_bytes;
	char *url, *file; /* file: NULL where the body is empty. Both may be NULL in an invalid row */
	bool invalid;     /* already counted and logged; the other members mean nothing */
	bool has_sha256;
	unsigned char sha256[32];
};
/* Up to max rows of entry, or of part, with ids above `after`, in order of id. Their number, or -1. The caller frees
 * each of them. */
int index_bodies(struct index *, bool parts, int64_t after, struct index_body *, int max);
void index_body_free(struct index_body *);

#endif

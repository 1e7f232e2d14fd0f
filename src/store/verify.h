/*
 * verify: compares every row with its file and every file with its row, for `curlew verify`. It only reads, and starts
 * no thread. A server may run at the same time: a fault is looked at twice, because rows and files come and go.
 */
#ifndef CURLEW_STORE_VERIFY_H
#define CURLEW_STORE_VERIFY_H

#include "store/store.h"

enum verify_fault {
	VERIFY_INVALID, /* a row that curlew cannot have written: a column has an impossible value; file and url are
			   NULL */
	VERIFY_MISSING, /* a row whose file is missing */
	VERIFY_SIZE,    /* a row whose file is of another size */
	VERIFY_CONTENT, /* a row whose file has another SHA-256 */
	VERIFY_UNOWNED  /* a file that no row owns and whose name no living process has leased */
};

struct check {
	/* Called for each fault. table: "entry" or "part", with the id of the row; NULL for a file that no row owns. */
	void (*fault)(void *ctx, enum verify_fault, const char *table, int64_t id, const char *file, const char *url);
	/* Called from time to time; may be NULL. */
	void (*progress)(void *ctx, int64_t rows, int64_t bytes);
	void *ctx;
	int64_t rows, files, bytes; /* how much was checked */
};

/* 0, or -1 with why. */
int verify_cache(struct check *, const char *dir, struct buf *why);

#endif

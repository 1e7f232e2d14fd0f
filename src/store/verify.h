/*
 * check: every row against its file and every file against its row, for `curlew verify`. Reads only, starts no thread;
 * safe beside a server: what looks wrong is looked at twice, because rows and files come and go.
 */
#ifndef CURLEW_STORE_VERIFY_H
#define CURLEW_STORE_VERIFY_H

#include "store/store.h"

enum verify_fault {
	VERIFY_INVALID, /* a row that cannot be what curlew wrote: a column holds what it must not; file and url are
			   NULL */
	VERIFY_MISSING, /* a row whose file is not there */
	VERIFY_SIZE,    /* a row whose file is of another size */
	VERIFY_CONTENT, /* a row whose file has another SHA-256 */
	VERIFY_UNOWNED  /* a file no row owns, and no living process has the name of */
};

struct check {
	/* Called for each fault; table: "entry" or "part", with the row's id; NULL for a file nobody owns. */
	void (*fault)(void *ctx, enum verify_fault, const char *table, int64_t id, const char *file, const char *url);
	/* Called now and then; may be NULL. */
	void (*progress)(void *ctx, int64_t rows, int64_t bytes);
	void *ctx;
	int64_t rows, files, bytes; /* how much was looked at */
};

/* 0, or -1 with why. */
int verify_cache(struct check *, const char *dir, struct buf *why);

#endif

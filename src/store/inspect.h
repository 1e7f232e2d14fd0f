/*
 * glimpse: a look into a cache that somebody else may serve: rows, parts, rules and refusals of a URL, and how the
 * cache is run. Reads only, starts no thread. One thread.
 */
#ifndef CURLEW_STORE_INSPECT_H
#define CURLEW_STORE_INSPECT_H

#include "store/store.h"

struct index;

struct inspect {
	const char *dir;
	struct index *ix;
	struct rules *rules;
	char *mode;       /* as in store_config */
	char *server;     /* the settings of a server that is running, "name value" a line; NULL: none is */
	unsigned servers; /* so many are */
};

/* 0, or -1 with why; inspect_close() is always allowed. dir stays the caller's. */
int inspect_open(struct inspect *, const char *dir, struct buf *why);
void inspect_close(struct inspect *);
enum index_result inspect_rows(struct inspect *, const char *url, struct index_rows *);
enum index_result inspect_parts(struct inspect *, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *);
/* True when a body file of that name and size is there, or none is needed (name NULL). Whether its bytes are right is
 * not looked at. */
bool inspect_body(const struct inspect *, const char *name, int64_t bytes);
/* Why the URL was not stored, as a sentence; NULL: nothing is known. The caller's to free. */
char *inspect_refusal(struct inspect *, const char *url, struct buf *why);

#endif

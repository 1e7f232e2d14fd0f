/*
 * inspect: reads a cache that another process may serve: the rows, parts, rules and refusals of a URL, and how the
 * cache is run. It only reads, and starts no thread. One thread uses it.
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
	char *server;     /* the settings of a running server, one "name value" a line; NULL: none runs */
	unsigned servers; /* how many servers run */
};

/* 0, or -1 with why. inspect_close() is allowed in any case. dir stays the caller's. */
int inspect_open(struct inspect *, const char *dir, struct buf *why);
void inspect_close(struct inspect *);
enum index_result inspect_rows(struct inspect *, const char *url, struct index_rows *);
enum index_result inspect_parts(struct inspect *, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *);
/* Is a body file of that name and size there? Yes, too, when the body is empty (name NULL). The content is not
 * checked. */
bool inspect_body(const struct inspect *, const char *name, int64_t bytes);
/* Why the URL was not stored, as a sentence, which the caller frees; NULL: that is not known. */
char *inspect_refusal(struct inspect *, const char *url, struct buf *why);

#endif

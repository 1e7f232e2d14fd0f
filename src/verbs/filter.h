/*
 * filter: the rows that a command line selects. ls, purge, pin and unpin use the same WHERE, so a dry run prints
 * exactly what a run would do. One thread.
 */
#ifndef CURLEW_VERBS_FILTER_H
#define CURLEW_VERBS_FILTER_H

#include "base/buf.h"
#include "base/conf.h"
#include "store/store.h"

enum { FILTER_PARAMS = 64 };

/* The tables that the conditions refer to. v_ruled has the columns that rules change: state, fresh_until, stale_until,
 * pinned, tag. */
#define FILTER_FROM "FROM entry JOIN v_ruled AS ruled USING (id)"

struct filter {
	struct buf where; /* " WHERE ...", or "" for all rows */
	struct buf words; /* the same as the user wrote it, for messages */
	const char *params[FILTER_PARAMS];
	size_t param_count;
	char *texts[FILTER_PARAMS]; /* owned */
	size_t text_count;
	char *globs[FILTER_PARAMS]; /* the operands, each as a glob; owned */
	size_t glob_count;
	const char *host;  /* of --host, in the spelling of entry.host; NULL: any */
	const char *tag;   /* of --tag; NULL: any */
	bool by_url_alone; /* only GLOBs, hosts and tags: a fetch in progress can match too */
};

/* Reads GLOBs and options. A GLOB without a wildcard is a URL as a person types it. A GLOB with a wildcard and without
 * a scheme covers http and https. 0, or -1 when one of them is wrong (reported); filter_free() is allowed after both.
 */
int filter_make(struct filter *, const struct conf *, const char *verb);
void filter_free(struct filter *);

/* glob_read() of a glob that a person typed; NULL with *why. The caller frees it. */
char *filter_glob(const char *typed, const char *scheme, const char **why);
/* A glob that matches only this URL; NULL: out of memory. The caller frees it. */
char *filter_quoted(const char *url);

/* The ids of all selected rows, ascending, and the bytes of their bodies. The caller frees the array. 0, or -1 with
 * why.
 */
struct selected {
	int64_t *ids;
	size_t count, room;
	int64_t bytes;
};
int filter_ids(const struct filter *, const char *dir, struct selected *, struct buf *why);

#endif

/*
 * select: which rows a command line means. One WHERE for ls, purge, pin and unpin, so that what a dry run says is what
 * a run does.
 */
#ifndef CURLEW_VERBS_FILTER_H
#define CURLEW_VERBS_FILTER_H

#include "base/buf.h"
#include "base/conf.h"
#include "store/store.h"

enum { FILTER_PARAMS = 64 };

/* What the conditions are about: the rows, and what the rules make of each (state, fresh_until, stale_until, pinned,
 * tag). */
#define FILTER_FROM "FROM entry JOIN v_ruled AS ruled USING (id)"

struct filter {
	struct buf where; /* " WHERE ...", or "" for all rows */
	struct buf words; /* the same for people */
	const char *params[FILTER_PARAMS];
	size_t param_count;
	char *texts[FILTER_PARAMS]; /* owned */
	size_t text_count;
	char *globs[FILTER_PARAMS]; /* what the operands say, all of them as globs; owned */
	size_t glob_count;
	const char *host;  /* of --host, as entry.host spells it; NULL: any */
	bool by_url_alone; /* nothing but GLOBs, hosts: what is on its way may match as well */
};

/* Reads GLOBs and options. A GLOB without wildcards is a URL as a person types it; with wildcards and without a scheme
 * it is for both schemes. 0, or -1 when it makes no sense (said). */
int filter_make(struct filter *, const struct conf *, const char *verb);
void filter_free(struct filter *);

/* A glob as a person types it, as glob_read() makes it; NULL with *why. A URL as a glob that matches itself alone;
 * NULL: memory. Both the caller's. */
char *filter_glob(const char *typed, const char *scheme, const char **why);
char *filter_quoted(const char *url);

/* The ids of all rows that match, ascending, and what their bodies take. The array is the caller's. 0, or -1 with why.
 */
struct selected {
	int64_t *ids;
	size_t count, room;
	int64_t bytes;
};
int filter_ids(const struct filter *, const char *dir, struct selected *, struct buf *why);

#endif

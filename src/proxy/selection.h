/*
 * lookup: of the rows of a URL the one that a request may be answered from, and policy's verdict on it. The server and
 * `curlew explain` come here alike, so that the one never says what the other does not do.
 *
 * No I/O: the rows are given.
 */
#ifndef CURLEW_PROXY_SELECTION_H
#define CURLEW_PROXY_SELECTION_H

#include "http/message.h"
#include "http/policy_use.h"
#include "http/range.h"
#include "store/store.h"

struct selection {
	struct index_rows rows;
	const struct entry *entry; /* the variant selected; NULL: none */
	struct index_rows asked; /* whose validators go along: of the variant selected, or of all; borrowed from rows */
	struct head head;        /* its fields */
	struct policy_use use;
	bool broken_body;         /* its file is gone, and so is the row by now */
	struct index_parts parts; /* when there is no row: parts of the body */
};

void selection_init(struct selection *);
void selection_fini(struct selection *);
/* Selects among l->rows and judges. */
void selection_choose(struct selection *l, const struct policy *, const struct request_directives *,
    const struct rule_decision *, const struct head *request, int64_t now);
/* Judges the row that was selected once more: time has passed. */
void selection_judge(struct selection *l, const struct policy *, const struct request_directives *,
    const struct rule_decision *, int64_t now);
enum selection_way {
	SELECTION_EXACTLY, /* by its Vary fields (RFC 9111 4.1) */
	SELECTION_AS_GOOD, /* vary_suits() */
	SELECTION_CODING   /* vary_coding_suits() */
};
bool selection_matches(const struct entry *, const struct head *request, enum selection_way);

/* Questions whose answer must come from the origin itself (RFC 9110 13.1.1, 13.1.4). */
bool selection_is_for_origin(const struct head *request);
/* True when stored parts of a body are fresh and hold all that the request asks of it. *use: the verdict on them;
 * *first to *last, inclusive: what is asked. */
bool selection_covered(const struct index_parts *, const struct policy *, const struct request_directives *,
    const struct rule_decision *, const struct head *request, int64_t now, struct policy_use *use, int64_t *first,
    int64_t *last);

#endif

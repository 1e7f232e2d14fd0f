/*
 * selection: which stored response a request gets (RFC 9111 4.1), and whether it is served, validated or fetched again.
 *
 * Data flows one way. A caller gathers what is stored into a struct selection; selection_decide() makes a plan; the
 * caller acts on the plan. The server sends a response (cache_handler), and `curlew explain` prints the plan. Neither
 * decides anything itself, so explain cannot differ from the server.
 *
 * Pure: no I/O, no locks; `now` is an argument. Whether a body file is still there is found out by opening it: a caller
 * that misses one sets lost_body or lost_parts and decides again.
 */
#ifndef CURLEW_PROXY_SELECTION_H
#define CURLEW_PROXY_SELECTION_H

#include "http/message.h"
#include "http/policy_use.h"
#include "http/range.h"
#include "store/store.h"

enum { SELECTION_REASON = POLICY_REASON };

/* What is stored for a URL. The caller fills in rows before selection_choose(), and parts after it if entry is NULL. */
struct selection {
	struct index_rows rows;
	const struct entry *entry;    /* the selected variant; NULL: none matches */
	struct index_rows validators; /* the rows whose validators a request may carry: the selected variant, or all
					 whose coding suits the request. Borrowed from rows */
	struct head head;             /* status and fields of entry */
	struct index_parts parts;     /* stored ranges of a body that is not stored whole */
	bool lost_body;               /* the body file of entry is missing or of another size */
	bool lost_parts;              /* the same of a file of parts */
};

void selection_init(struct selection *);
/* Frees rows and parts. */
void selection_fini(struct selection *);
/* Selects among rows the variant for this request. May reorder rows. */
void selection_choose(struct selection *, const struct head *request);

enum selection_way {
	SELECTION_EXACTLY, /* by its Vary fields (RFC 9111 4.1) */
	SELECTION_AS_GOOD, /* vary_suits() */
	SELECTION_CODING   /* vary_coding_suits() */
};
bool selection_matches(const struct entry *, const struct head *request, enum selection_way);

/* The request, and all that counts for it besides what is stored. Everything is borrowed. */
struct selection_request {
	const struct head *head; /* method and fields */
	const struct request_directives *directives;
	const struct policy *policy;
	const struct rule_decision *rules; /* what the rules decide for the URL */
	bool has_content;                  /* the request has a body */
	bool offline;                      /* --offline */

	/* About fetches of the URL. All 0, and body_bytes -1, where that is not known. */
	bool passes;        /* the URL's last response could not be shared */
	int64_t received;   /* bytes received by a fetch in progress that others may join */
	int64_t body_bytes; /* the length of the body being fetched; -1: not known */

	/* What earlier attempts to respond to this request have shown. */
	bool alone;         /* the response to another request was not for this one: do not share a fetch */
	bool unconditional; /* a 304 did not freshen what is stored: send no validators */
	bool no_parts;      /* the origin does not complete the stored parts */
};

enum selection_action {
	SELECTION_HIT,               /* serve entry: it is fresh */
	SELECTION_STALE,             /* serve entry stale, as the request or the response allows */
	SELECTION_STALE_AND_REFRESH, /* the same, and validate it in the background (RFC 5861 3) */
	SELECTION_PARTS,             /* serve bytes first to last from stored parts */
	SELECTION_VALIDATE,          /* ask the origin with the stored validators */
	SELECTION_FETCH,             /* fetch the whole response, which may be stored */
	SELECTION_FETCH_RANGE,       /* fetch the range alone: it lies far ahead, or nobody knows where */
	SELECTION_PASS,              /* forward the request with its own conditions; the fetch is not shared */
	SELECTION_OFFLINE_STALE,     /* serve entry stale, because the network may not be used */
	SELECTION_OFFLINE,           /* 504: the network may not be used */
	SELECTION_ONLY_IF_CACHED,    /* 504: the request forbids using the network (RFC 9111 5.2.1.7) */
	SELECTION_DENY               /* 403: a rule denies the URL */
};

struct selection_plan {
	enum selection_action action;
	const struct entry *entry; /* the stored response to serve, validate or replace; borrowed. NULL: none */
	struct policy_use use; /* lifetime and judgement of entry, also if its body is lost; with SELECTION_PARTS, of
				  the parts. All 0 where there is neither */
	int64_t rule_id;       /* the rule that decided; 0: none did. OFFLINE by --offline has none */
	int64_t first, last;   /* SELECTION_PARTS: the bytes to serve, inclusive */
	bool shared;           /* VALIDATE and FETCH: other requests may join the fetch */
	const char *fwd;       /* why what is stored is not enough, in the words of RFC 9211 2.2; "": it is */
	char reason[SELECTION_REASON]; /* why stored responses are used, or are not enough, for people to read */
};

/* Decides what does not depend on what is stored: DENY, PASS, or OFFLINE instead of PASS. False: gather what is stored
 * and call selection_decide(); the plan has no action yet. Directives and policy may be NULL. */
bool selection_decide_unstored(const struct selection_request *, struct selection_plan *);
/* Decides how to respond to a request that arrives now. Includes selection_decide_unstored(). */
void selection_decide(const struct selection *, const struct selection_request *, int64_t now, struct selection_plan *);
/* Judges the entry again after a fetch, which took time: updates plan->use, so that a response that must not be served
 * stale any more is not. The action stays. */
void selection_judge_again(
    const struct selection *, const struct selection_request *, int64_t now, struct selection_plan *);

/* The request has If-None-Match or If-Modified-Since. */
bool selection_is_conditional(const struct head *request);

/* For a search of stored parts: does the request (a struct head) select the variant whose text is vary? */
bool selection_wants_parts(const void *request, const char *vary);

#endif

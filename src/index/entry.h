/*
 * entry: one row of the table entry, as the program holds it.
 *
 * An entry owns its texts. One thread at a time uses it, until it no longer changes; then many may read it.
 */
#ifndef CURLEW_INDEX_ENTRY_H
#define CURLEW_INDEX_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

struct entry {
	int64_t id; /* 0: not yet in the index */
	char *url;  /* normalised, absolute */
	char *vary; /* variant text (vary_text), "" if none; never NULL */
	int status;
	char *headers;       /* field lines, "Name: value\n" each; never NULL */
	char *etag;          /* NULL if none */
	char *last_modified; /* as received; NULL if none */
	char *body_file;     /* relative to the cache directory; NULL: the body is empty and has no file */
	int64_t body_bytes;
	bool has_sha256;
	unsigned char sha256[32];
	int64_t fetched_at; /* Unix seconds, like the three below */
	int64_t initial_age_s;
	int64_t fresh_until;
	bool edited; /* a user wrote fresh_until, which overrides every rule */
	int64_t stale_until;
	int64_t used_at;
	int64_t hits;
	bool pinned;
	char *tag;       /* NULL if none */
	char *groups;    /* that the response names (http/groups.h); NULL: none. Of a refresh, NULL: as they are in the
			    index.    Not read from rows */
	char *note;      /* NULL if none */
	int64_t rule_id; /* 0: none */
	char *reason;    /* why it is stored and for how long */
	int64_t encoded_from; /* of a compressed copy: the id of its original; 0: none */
	struct entry *copies; /* of an original, once index_find() has read it: its copies, linked by next_copy */
	struct entry *next_copy;
	double dns_ms, connect_ms, ttfb_ms, total_ms; /* libcurl's timings; negative: not known */

	int64_t edits;       /* counter.edits (change_counter.h) in the snapshot in which the row was read */
	int64_t rules;       /* ramcache: the generation of the rules under which it is kept in memory,  */
	int64_t ready_until; /* until when it is fresh by them, */
	int64_t ready_rule;  /* and the rule that says so; 0: none */
	bool unsynced; /* its body may be torn by a power cut: store_open_body() verifies it first (invariant 7) */
};

struct entry *entry_new(void);
void entry_free(struct entry *);
/* With its compressed copies. NULL: no memory. */
struct entry *entry_copy(const struct entry *);

/*
 * Why an entry that was read from a row must not be used, as a literal; NULL: it may be. Its url must be absolute, its
 * status final and storable as a whole, and its body_file a name that curlew gives, or absent with 0 bytes. Times and
 * sizes must be possible. Neither headers nor a validator may hold a byte that would split a message (RFC 9112 11.1).
 */
const char *entry_fault(const struct entry *);

#endif

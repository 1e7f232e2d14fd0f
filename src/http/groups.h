/*
 * groups: the groups that a response or a request names, so that responses can be purged by group: Cache-Groups (RFC
 * 9875, a list of strings), Surrogate-Key (separated by blanks), Cache-Tag (separated by commas) and xkey (by either).
 *
 * Pure. Any thread may call. A list of groups is text, one group a line: "a\nb\n". A group is printable ASCII. An empty
 * line means that some groups of the message are left out; such a message counts as a member of every group, so that a
 * purge never misses it.
 */
#ifndef CURLEW_HTTP_GROUPS_H
#define CURLEW_HTTP_GROUPS_H

#include "base/buf.h"
#include "http/message.h"

enum {
	GROUPS_MOST = 1000,      /* kept of one message; more are left out */
	GROUPS_NAME_BYTES = 1024 /* of one group: a longer one is left out */
};

enum groups_read {
	GROUPS_NONE,       /* no field names groups; nothing was added */
	GROUPS_ALL,        /* the list is complete; it is empty if the fields are */
	GROUPS_INCOMPLETE, /* too many, or one that is too long or not ASCII: such groups are left out, and the list
			      ends with an empty line */
	GROUPS_NO_MEMORY
};

/* Adds all groups that the fields of the message name. A Cache-Groups field that is no list of strings is ignored (RFC
 * 9651 3). */
enum groups_read groups_read(const struct head *, struct buf *out);
/* The same as a text of its own, which the caller frees. *list: NULL for NONE and NO_MEMORY. */
enum groups_read groups_copy(const struct head *, char **list);
/* True when a field of the message names groups, even none. */
bool groups_are_named(const struct head *);
/* Adds the groups that this one field names, a list of strings: Cache-Group-Invalidation (RFC 9875 3). Groups that are
 * left out add no empty line. */
enum groups_read groups_read_list(const struct head *, const char *field, struct buf *out);

/* Have the two lists a group in common? Upper and lower case differ (RFC 9875 2.1). NULL is an empty list. */
bool groups_meet(const char *a, const char *b);

/* The same for the groups that these field lines name ("Name: value\n"). True, too, where memory fails. */
bool groups_fields_meet(const char *fields, const char *groups);

/* True for fields that are for caches alone, which clients need not see: Surrogate-Key, Cache-Tag and xkey. */
bool groups_is_internal(struct span field_name);

/* Adds the group as a string of Cache-Groups, with its quotes. 0, or -1: it has a byte that no string can hold, or no
 * memory. */
int groups_write(struct buf *out, const char *group);

#endif

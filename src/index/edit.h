/*
 * edit: runs one statement that changes rows, for a verb, on a writing connection of its own. It starts no thread. A
 * server may use the cache at the same time. Any thread may call.
 *
 * Each function takes text parameters ?1... and returns 0, or -1 with why. It waits for locks for up to five seconds.
 */
#ifndef CURLEW_INDEX_EDIT_H
#define CURLEW_INDEX_EDIT_H

#include "base/buf.h"
#include "index/column.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* changed: how many rows; may be NULL. */
int index_change(
    const char *dir, const char *sql, const char *const *params, size_t param_count, int64_t *changed, struct buf *why);
/* For a statement with RETURNING: row() gets its rows. Without `keep` the statement is run, with all checks, and rolled
 * back. */
int index_change_rows(const char *dir, const char *sql, const char *const *params, size_t param_count, bool keep,
    int (*row)(void *ctx, const struct index_column *, size_t count), void *ctx, struct buf *why);
/* Runs the statement for each id (?1), in transactions of a few milliseconds with gaps for others. progress may be
 * NULL. */
int index_change_each(const char *dir, const char *sql, const int64_t *ids, size_t count,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why);

enum { INDEX_STATEMENTS = 2 };
/* The same for one or two statements, which are run for each id in one transaction. They have text parameters from ?2
 * on, and may call curlew_normal(url), the value of the column normal_url. */
struct index_statements {
	const char *sql[INDEX_STATEMENTS]; /* the second may be NULL */
	const char *const *params;
	size_t param_count;
};
/* changed: how many rows the last statement changed. */
int index_change_each_by(const char *dir, const struct index_statements *, const int64_t *ids, size_t count,
    void (*progress)(void *ctx, size_t done, size_t count), void *ctx, int64_t *changed, struct buf *why);

#endif

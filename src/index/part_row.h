/* part_row: reads one row of the table part. Only the files of this folder see it. */
#ifndef CURLEW_INDEX_PART_ROW_H
#define CURLEW_INDEX_PART_ROW_H

#include "index/part.h"
#include "index/row.h"

struct index_part_row {
	struct entry *of; /* the response that it is a part of */
	struct part part;
	int64_t whole_bytes; /* -1: not known */
};

/* The row on which a statement PARTS or PARTS_AFTER stands. Unless it is ROW_GOOD, there is nothing to free. */
enum index_row_is index_part_row(const struct index *, sqlite3_stmt *, struct index_part_row *);
void index_part_row_free(struct index_part_row *);

#endif

#include "index/row.h"

#include "base/log.h"
#include "base/stats.h"

#include <stdlib.h>
#include <string.h>

struct index_row index_row_begin(sqlite3_stmt *st)
{
	return (struct index_row){.st = st};
}

/* Keeps the first violation; the rest of the row is read, and then not used. */
static void note_wrong(struct index_row *r, const char *why)
{
	if (r->wrong == NULL)
		r->wrong = why;
}

enum index_row_is index_row_end(struct index_row *r, const struct index *ix, const char *table, int64_t id)
{
	if (r->no_memory) {
		stats_add(STATS_STORE_TROUBLE, 1);
		log_trouble("memory", "no memory for a row of the index");
		return ROW_NO_MEMORY;
	}
	if (r->wrong == NULL)
		return ROW_GOOD;
	stats_add(STATS_BROKEN_ROWS, 1);
	log_trouble("row",
	    "%s/index.db: row %lld of the table %s is invalid: %s (it is not used; `curlew verify --repair` removes "
	    "it)",
	    ix->dir, (long long)id, table, r->wrong);
	return ROW_INVALID;
}

int64_t index_row_id(struct index_row *r)
{
	return sqlite3_column_int64(r->st, r->next++);
}

int64_t index_row_number(struct index_row *r, const char *wrong, int64_t least, int64_t most)
{
	int c = r->next++;
	int64_t n = sqlite3_column_int64(r->st, c);
	if (sqlite3_column_type(r->st, c) == SQLITE_INTEGER && n >= least && n <= most)
		return n;
	note_wrong(r, wrong);
	return least;
}

int64_t index_row_number_or(struct index_row *r, const char *wrong, int64_t least, int64_t most, int64_t none)
{
	if (sqlite3_column_type(r->st, r->next) != SQLITE_NULL)
		return index_row_number(r, wrong, least, most);
	r->next++;
	return none;
}

int64_t index_row_time(struct index_row *r, const char *wrong)
{
	const int64_t most = INT64_C(1) << 60;
	int64_t t = index_row_number(r, wrong, INT64_MIN, INT64_MAX);
	return t > most ? most : t < -most ? -most : t;
}

char *index_row_text_or_null(struct index_row *r, const char *wrong)
{
	int c = r->next++;
	if (sqlite3_column_type(r->st, c) == SQLITE_NULL)
		return NULL;
	const unsigned char *text = sqlite3_column_type(r->st, c) == SQLITE_TEXT ? sqlite3_column_text(r->st, c) : NULL;
	size_t n = text != NULL ? (size_t)sqlite3_column_bytes(r->st, c) : 0;
	if (text == NULL || memchr(text, '\0', n) != NULL) {
		note_wrong(r, wrong);
		return NULL;
	}
	char *copy = malloc(n + 1);
	if (copy == NULL) {
		r->no_memory = true;
		return NULL;
	}
	memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

char *index_row_text(struct index_row *r, const char *wrong)
{
	char *text = index_row_text_or_null(r, wrong);
	if (text == NULL && !r->no_memory)
		note_wrong(r, wrong);
	return text;
}

bool index_row_sha256(struct index_row *r, const char *wrong, unsigned char sha256[32])
{
	int c = r->next++;
	if (sqlite3_column_type(r->st, c) == SQLITE_NULL)
		return false;
	const void *blob = sqlite3_column_type(r->st, c) == SQLITE_BLOB ? sqlite3_column_blob(r->st, c) : NULL;
	if (blob == NULL || sqlite3_column_bytes(r->st, c) != 32) {
		note_wrong(r, wrong);
		return false;
	}
	memcpy(sha256, blob, 32);
	return true;
}

double index_row_ms(struct index_row *r)
{
	int c = r->next++, type = sqlite3_column_type(r->st, c);
	double ms = type == SQLITE_FLOAT || type == SQLITE_INTEGER ? sqlite3_column_double(r->st, c) : -1;
	return ms >= 0 && ms < (double)ROW_BYTES_MAX ? ms : -1;
}

int64_t index_size(sqlite3_stmt *st, int c)
{
	int64_t n = sqlite3_column_int64(st, c);
	return n < 0 ? 0 : n > ROW_BYTES_MAX ? ROW_BYTES_MAX : n;
}

void index_copy_text(char *to, size_t room, sqlite3_stmt *st, int c)
{
	const unsigned char *text = sqlite3_column_text(st, c);
	size_t n = (size_t)sqlite3_column_bytes(st, c);
	if (text == NULL || n >= room || memchr(text, '\0', n) != NULL)
		n = 0; /* not a name that curlew gives */
	if (n > 0)
		memcpy(to, text, n);
	to[n] = '\0';
}

#include "index/counters.h"

#include "index/row.h"

/* An event loop asks at every wake-up. The statement costs the system calls for a lock of the file, so it is run only
 * if somebody has committed. */
int64_t index_version(struct index *ix)
{
	int64_t version = -1;
	if (ix->version >= 0 && wal_header_is_same(&ix->wal_header))
		return ix->version;
	wal_header_note(&ix->wal_header);
	if (index_step(ix, VERSION, "reading the data version") == INDEX_FOUND)
		version = sqlite3_column_int64(ix->statements[VERSION], 0);
	sqlite3_reset(ix->statements[VERSION]);
	if (version >= 0 && !ix->wal_header.searched)
		wal_header_find(&ix->wal_header, ix->db);
	ix->version = version;
	return version;
}

int index_totals(struct index *ix, struct index_totals *t)
{
	sqlite3_stmt *st = ix->statements[TOTALS];
	enum index_result found = index_step(ix, TOTALS, "reading the counters");
	if (found == INDEX_FOUND)
		*t = (struct index_totals){sqlite3_column_int64(st, 0), index_size(st, 1), index_size(st, 2)};
	sqlite3_reset(st);
	return found == INDEX_FOUND ? 0 : -1;
}

int64_t index_edits(struct index *ix)
{
	struct index_totals t;
	return index_totals(ix, &t) == 0 ? t.edits : -1;
}

int64_t index_generation(struct index *ix, int64_t *purge_id)
{
	enum index_result found = index_step(ix, GENERATION, "reading the generation of the rules");
	int64_t n = found == INDEX_FOUND ? sqlite3_column_int64(ix->statements[GENERATION], 0) : -1;
	if (found == INDEX_FOUND)
		*purge_id = sqlite3_column_int64(ix->statements[GENERATION], 1);
	index_reset(ix, GENERATION);
	return n;
}

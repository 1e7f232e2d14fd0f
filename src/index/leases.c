#include "index/leases.h"

#include "index/row.h"

#include <assert.h>
#include <stdio.h>

int index_leases(struct index *ix, int64_t after, struct index_lease *leases, int max)
{
	sqlite3_stmt *st = ix->statements[LEASES];
	sqlite3_bind_int64(st, 1, after);
	sqlite3_bind_int(st, 2, max);
	int n = 0;
	enum index_result found = INDEX_ABSENT;
	for (; n < max && (found = index_step(ix, LEASES, "reading the leases")) == INDEX_FOUND; n++) {
		leases[n].id = sqlite3_column_int64(st, 0);
		leases[n].owner = sqlite3_column_int64(st, 1);
		leases[n].first = sqlite3_column_int64(st, 2);
		leases[n].synced = sqlite3_column_int64(st, 3);
		leases[n].end = sqlite3_column_int64(st, 4);
		index_copy_text(leases[n].boot, sizeof leases[n].boot, st, 5);
	}
	index_reset(ix, LEASES);
	return found == INDEX_BROKEN ? -1 : n;
}

int64_t index_names(struct index *ix)
{
	int64_t names = index_step(ix, NAMES, "reading the counters") == INDEX_FOUND
			    ? sqlite3_column_int64(ix->statements[NAMES], 0)
			    : -1;
	index_reset(ix, NAMES);
	return names;
}

int index_lease_take(
    struct index *ix, int64_t owner, const char *boot, int64_t count, int64_t least, struct index_lease *l)
{
	assert(ix->who != NULL);
	sqlite3_stmt *st = ix->statements[NAMES_TAKE];
	sqlite3_bind_int64(st, 1, count);
	sqlite3_bind_int64(st, 2, least);
	if (sqlite3_step(st) != SQLITE_ROW) {
		index_error(ix, "taking names for bodies");
		index_reset(ix, NAMES_TAKE);
		return -1;
	}
	*l = (struct index_lease){.owner = owner, .first = sqlite3_column_int64(st, 0)};
	if (index_run(ix, NAMES_TAKE, "taking names for bodies") < 0)
		return -1;
	l->synced = l->first;
	l->end = l->first + count;
	snprintf(l->boot, sizeof l->boot, "%s", boot);

	st = ix->statements[LEASE_ADD];
	sqlite3_bind_int64(st, 1, owner);
	index_bind_text(st, 2, boot);
	sqlite3_bind_int64(st, 3, l->first);
	sqlite3_bind_int64(st, 4, l->end);
	if (index_run(ix, LEASE_ADD, "taking names for bodies") < 0)
		return -1;
	l->id = sqlite3_last_insert_rowid(ix->db);
	return 0;
}

int index_lease_synced(struct index *ix, int64_t id, int64_t synced)
{
	assert(ix->who != NULL);
	sqlite3_bind_int64(ix->statements[LEASE_SYNCED], 1, id);
	sqlite3_bind_int64(ix->statements[LEASE_SYNCED], 2, synced);
	return index_run(ix, LEASE_SYNCED, "recording a sync");
}

int index_lease_close(struct index *ix, int64_t id, int64_t end)
{
	assert(ix->who != NULL);
	sqlite3_bind_int64(ix->statements[LEASE_CLOSE], 1, id);
	sqlite3_bind_int64(ix->statements[LEASE_CLOSE], 2, end);
	return index_run(ix, LEASE_CLOSE, "closing a lease");
}

int index_lease_remove(struct index *ix, int64_t id)
{
	assert(ix->who != NULL);
	sqlite3_bind_int64(ix->statements[LEASE_REMOVE], 1, id);
	return index_run(ix, LEASE_REMOVE, "returning names");
}

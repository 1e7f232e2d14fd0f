#include "index/purges.h"

#include "index/connection.h"
#include "index/host.h"

bool index_purged(struct index *ix, const struct entry *e, int64_t purge_id)
{
	if (purge_id >= ix->purge_id)
		return false;
	char host[INDEX_HOST];
	sqlite3_stmt *st = ix->statements[PURGED];
	index_host_of(e->url, host, sizeof host);
	sqlite3_bind_int64(st, 1, purge_id);
	index_bind_text(st, 2, e->url);
	index_bind_text(st, 3, host);
	index_bind_text(st, 5, e->groups);
	index_bind_text(st, 6, e->tag);
	if (index_bind_normal(st, 4, e->url) < 0)
		return true; /* a response that may have been purged is not stored */
	enum index_result found = index_step(ix, PURGED, "checking whether a URL was purged");
	index_reset(ix, PURGED);
	return found == INDEX_FOUND;
}

#include "index/purges.h"

#include "index/connection.h"
#include "index/host.h"

bool index_purged(struct index *ix, const char *url, int64_t purge_id)
{
	char host[INDEX_HOST];
	sqlite3_stmt *st = ix->statements[PURGED];
	index_host_of(url, host, sizeof host);
	sqlite3_bind_int64(st, 1, purge_id);
	index_bind_text(st, 2, url);
	index_bind_text(st, 3, host);
	if (index_bind_normal(st, 4, url) < 0)
		return true; /* a response that may have been purged is not stored */
	enum index_result found = index_step(ix, PURGED, "checking whether a URL was purged");
	index_reset(ix, PURGED);
	return found == INDEX_FOUND;
}

#include "index/refusals.h"

#include "index/connection.h"

#include <assert.h>

int index_refuse(struct index *ix, const char *url, const char *reason, int status, int64_t at, int64_t times)
{
	assert(ix->who != NULL);
	ix->refusals = true;
	sqlite3_stmt *st = ix->statements[REFUSE];
	index_bind_text(st, 1, url);
	index_bind_text(st, 2, reason);
	sqlite3_bind_int(st, 3, status);
	sqlite3_bind_int64(st, 4, at);
	sqlite3_bind_int64(st, 5, times);
	return index_run(ix, REFUSE, "noting a refusal");
}

int index_refusals_trim(struct index *ix, int64_t keep)
{
	assert(ix->who != NULL);
	sqlite3_bind_int64(ix->statements[REFUSALS_TRIM], 1, keep);
	return index_run(ix, REFUSALS_TRIM, "trimming the refusals");
}

int index_refusal_forget(struct index *ix, const char *url)
{
	assert(ix->who != NULL);
	if (!ix->refusals)
		return 0;
	index_bind_text(ix->statements[REFUSAL_FORGET], 1, url);
	return index_run(ix, REFUSAL_FORGET, "forgetting a refusal");
}

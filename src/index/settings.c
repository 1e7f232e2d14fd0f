#include "index/settings.h"

#include "index/connection.h"

#include <assert.h>

int64_t index_setting(struct index *ix, const char *name)
{
	sqlite3_stmt *st = ix->statements[SETTING];
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	enum index_result found = index_step(ix, SETTING, "reading a setting");
	int64_t value = found == INDEX_FOUND ? sqlite3_column_int64(st, 0) : found == INDEX_ABSENT ? 0 : -1;
	index_reset(ix, SETTING);
	return value;
}

int index_setting_set(struct index *ix, const char *name, const char *value)
{
	assert(ix->who != NULL);
	index_bind_text(ix->statements[SETTING_SET], 1, name);
	index_bind_text(ix->statements[SETTING_SET], 2, value);
	return index_run(ix, SETTING_SET, "noting a setting");
}

int index_setting_remove(struct index *ix, const char *names)
{
	assert(ix->who != NULL);
	index_bind_text(ix->statements[SETTING_REMOVE], 1, names);
	return index_run(ix, SETTING_REMOVE, "removing a setting");
}

#include "store/change_counter.h"

#include "base/log.h"
#include "http/groups.h"
#include "index/counters.h"
#include "index/entry_read.h"
#include "store/store_struct.h"

#include <stdlib.h>

struct change_counter {
	struct store *store;
	struct index *ix;
	int64_t version, edits, rules;
};

struct change_counter *change_counter_new(struct store *s)
{
	struct buf why;
	buf_init(&why, BUF_LINE);
	struct change_counter *w = calloc(1, sizeof *w);
	if (w != NULL && (w->ix = index_open(s->dir, INDEX_READER, &why)) == NULL) {
		log_say("%s", buf_str(&why));
		free(w);
		w = NULL;
	}
	buf_fini(&why);
	if (w != NULL) {
		w->store = s;
		w->version = -1;
	}
	return w;
}

void change_counter_free(struct change_counter *w)
{
	if (w == NULL)
		return;
	index_close(w->ix);
	free(w);
}

int64_t change_counter_edits(struct change_counter *w)
{
	int64_t bumps = atomic_load(&w->store->bumps);
	int64_t version = index_version(w->ix);
	if (version < 0)
		return -1;
	if (version != w->version) {
		/* If a commit comes between the two, the counter has it already, and the version of the next call
		 * differs again. */
		int64_t purge_id, rules = index_generation(w->ix, &purge_id), edits = index_edits(w->ix);
		if (edits < 0 || rules < 0)
			return -1;
		w->rules = rules;
		w->edits = edits;
		w->version = version;
	}
	return w->edits + bumps;
}

int64_t change_counter_rules(const struct change_counter *w)
{
	return w->rules;
}

enum index_result change_counter_confirm(struct change_counter *w, const struct entry *e)
{
	struct buf groups;
	buf_init(&groups, BUF_PAGE);
	bool gone = tombstones_has(w->store->tombstones, e->url, &groups) ||
		    (groups.len > 0 && groups_fields_meet(e->headers, buf_str(&groups)));
	buf_fini(&groups);
	return gone ? INDEX_ABSENT : index_confirm(w->ix, e);
}

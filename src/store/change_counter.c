/* Noticing edits: what a lane asks before it answers from memory. */
#include "store/store_internal.h"

#include "base/log.h"

#include <stdlib.h>

struct store_watch {
	struct store *store;
	struct index *ix;
	int64_t version, edits, rules;
};

struct store_watch *store_watch_new(struct store *s)
{
	struct buf why;
	buf_init(&why, BUF_LINE);
	struct store_watch *w = calloc(1, sizeof *w);
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

void store_watch_free(struct store_watch *w)
{
	if (w == NULL)
		return;
	index_close(w->ix);
	free(w);
}

int64_t store_watch_edits(struct store_watch *w)
{
	int64_t bumps = atomic_load(&w->store->bumps);
	int64_t version = index_version(w->ix);
	if (version < 0)
		return -1;
	if (version != w->version) {
		/* A commit between the two is in the counter already, and moves the version of the next call. */
		int64_t purge_id, rules = index_generation(w->ix, &purge_id), edits = index_edits(w->ix);
		if (edits < 0 || rules < 0)
			return -1;
		w->rules = rules;
		w->edits = edits;
		w->version = version;
	}
	return w->edits + bumps;
}

int64_t store_watch_rules(const struct store_watch *w)
{
	return w->rules;
}

enum store_found store_watch_confirm(struct store_watch *w, const struct entry *e)
{
	return store_is_gone(w->store, e->url) ? STORE_ABSENT : index_confirm(w->ix, e);
}

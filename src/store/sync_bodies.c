#include "store/sync_bodies.h"

#include "base/log.h"
#include "body/body_leases.h"
#include "body/folders.h"
#include "index/leases.h"
#include "store/maintenance_state.h"
#include "store/maintenance_struct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct synced {
	struct writer_op op;
	int mark_count, lease_count;
	struct bodies_mark marks[SYNC_LEASES];
	int64_t leases[SYNC_LEASES]; /* closed before the sync: nothing is left to remember of them */
};

static int synced_run(struct writer_op *op, struct index *ix)
{
	struct synced *s = (struct synced *)op;
	int result = 0;
	for (int i = 0; i < s->mark_count && result == 0; i++)
		result = index_lease_synced(ix, s->marks[i].lease_id, s->marks[i].below);
	for (int i = 0; i < s->lease_count && result == 0; i++)
		result = index_lease_remove(ix, s->leases[i]);
	return result;
}

void sync_bodies(struct maintenance *k)
{
	struct index_lease leases[SYNC_LEASES];
	struct synced *s = calloc(1, sizeof *s);
	if (s == NULL)
		return;
	s->op = (struct writer_op){.run = synced_run, .done = maintenance_op_free};
	int n = index_leases(k->ix, 0, leases, SYNC_LEASES);
	for (int i = 0; i < n; i++)
		if (leases[i].owner == 0 && strcmp(leases[i].boot, k->at.boot) == 0)
			s->leases[s->lease_count++] = leases[i].id;
	if (bodies_any_sealed(k->at.bodies))
		s->mark_count = bodies_marks(k->at.bodies, s->marks, SYNC_LEASES);
	if (s->mark_count + s->lease_count == 0) {
		free(s);
		return;
	}
	int body_fd = bodies_open_disk(k->at.bodies);
	bool synced = syncfs(k->at.dir_fd) == 0 && body_fd >= 0 && syncfs(body_fd) == 0;
	if (body_fd >= 0)
		close(body_fd);
	if (!synced) {
		log_trouble("sync", "%s: cannot be synced: %s", k->at.dir, strerror(errno));
		free(s);
		return;
	}
	writer_queue(k->at.writer, &s->op, false); /* after an error the marks are lower than they could be, which is
						      safe */
}

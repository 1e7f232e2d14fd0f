#include "store/maintenance_state.h"

#include "body/folders.h"
#include "store/maintenance_struct.h"

#include <stdlib.h>

void maintenance_kick(struct maintenance *k)
{
	pthread_mutex_lock(&k->mutex);
	k->kicked = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->mutex);
}

bool maintenance_is_stopping(struct maintenance *k)
{
	pthread_mutex_lock(&k->mutex);
	bool is = k->stopping;
	pthread_mutex_unlock(&k->mutex);
	return is;
}

void maintenance_op_free(struct writer_op *op, bool committed)
{
	(void)committed;
	free(op);
}

const char *maintenance_forbidden(const struct maintenance *k)
{
	if (atomic_load(&k->full))
		return "an open transaction keeps the write-ahead log from being emptied";
	if (atomic_load(&k->away))
		return "body/ is not the directory in which the bodies were stored";
	if (atomic_load(&k->starved))
		return "the disk has less free space than --min-free demands, and nothing is left to evict";
	return NULL;
}

const char *maintenance_stopped(const struct maintenance *k)
{
	const char *why = maintenance_forbidden(k);
	if (why != NULL)
		return why;
	if (bodies_failing(k->at.bodies))
		return "the cache's disk cannot be written";
	if (atomic_load(&k->unwritten))
		return "the index cannot be written";
	return NULL;
}

void maintenance_failed(struct maintenance *k)
{
	atomic_store(&k->unwritten, true);
	maintenance_kick(k);
}

bool maintenance_log_full(const struct maintenance *k)
{
	return atomic_load(&k->full);
}

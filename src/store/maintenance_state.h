/*
 * maintenance_state: what the chores of maintenance share: why nothing may be stored, and waking and stopping the
 * thread. Any thread may call.
 */
#ifndef CURLEW_STORE_MAINTENANCE_STATE_H
#define CURLEW_STORE_MAINTENANCE_STATE_H

#include "index/writer_op.h"
#include "store/maintenance.h"

/* Why nothing may be stored at the moment, as a literal; NULL: it may. */
const char *maintenance_forbidden(const struct maintenance *);
/* The same, or why storing fails: the last write failed. Storing is still tried then, because that is how recovery is
 * noticed, but it is promised to nobody. */
const char *maintenance_stopped(const struct maintenance *);
/* A change of the index was not committed. */
void maintenance_failed(struct maintenance *);
/* Is nothing stored because a reader keeps the WAL from being emptied? Then nothing is written that can wait. */
bool maintenance_log_full(const struct maintenance *);

/* Starts the next round at once. */
void maintenance_kick(struct maintenance *);
bool maintenance_is_stopping(struct maintenance *);
/* done() of an operation whose result interests nobody: frees it. */
void maintenance_op_free(struct writer_op *, bool committed);

#endif

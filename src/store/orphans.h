/* orphans: removes the files that dead processes left. Maintenance thread. */
#ifndef CURLEW_STORE_ORPHANS_H
#define CURLEW_STORE_ORPHANS_H

#include <stdbool.h>

struct maintenance;

/* Sweeps the leases whose owner is dead. */
void orphans_sweep_leases(struct maintenance *);
/* Removes bodies that an earlier index in this directory left: one folder or a few in a call. True: there are more. */
bool orphans_sweep_outside(struct maintenance *);

#endif

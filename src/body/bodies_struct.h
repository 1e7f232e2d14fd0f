/*
 * bodies_struct: struct bodies and its leases. Only the files of this folder see it.
 *
 * bodies_open() sets the members up to `separate_disk`; after that they do not change. Atomic members may be used by
 * any thread. The mutex guards the rest: leases, and the list of bodies being written (body_leases.c). lease_came is
 * signalled when the writer has taken a lease or has failed to.
 */
#ifndef CURLEW_BODY_BODIES_STRUCT_H
#define CURLEW_BODY_BODIES_STRUCT_H

#include "base/owner.h"
#include "body/file_lock.h"
#include "index/leases.h"
#include "index/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define FOLDERS 256 /* beneath body/ */

struct body;

struct lease {
	struct lease *next;
	struct index_lease at;
	int64_t next_name;
	int64_t unresolved; /* names whose file is neither owned by a row nor gone */
};

struct bodies {
	int dir_fd;
	struct file_lock *lock;
	struct writer *writer;
	char boot[40];
	struct owner owner;
	bool separate_disk; /* body/ and spool/ are on different disks: no file can be renamed from one to the other */

	atomic_llong spooled;       /* counts names in spool/ */
	atomic_bool any_sealed;     /* since bodies_any_sealed() was last called */
	atomic_bool failing;        /* the last write failed, and none has succeeded since */
	atomic_bool avoid[FOLDERS]; /* folders beneath body/ that cannot be written, */
	atomic_int avoided;         /* and how many they are */
	atomic_llong in_flight;     /* bytes written of bodies that no row owns */

	pthread_mutex_t mutex;
	pthread_cond_t lease_came;
	struct lease *current, *ahead; /* ahead: follows when current is used up */
	struct lease *spent;           /* used up, with unresolved names */
	struct body *writing;          /* bodies with a name that are not sealed */
	bool requesting;               /* a lease is being taken */
	bool wait_failed;              /* no lease came in time: nobody waits again until one has come */
	int64_t requested_at;          /* clock_us() */
	int64_t lease_names;           /* how many names the next lease gets */
	int64_t least_name;            /* all names below it are skipped */
};

#endif

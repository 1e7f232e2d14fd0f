/* body_leases: names for bodies, taken from leased ranges; and which of them a sync has covered. Any thread may call.
 */
#ifndef CURLEW_BODY_BODY_LEASES_H
#define CURLEW_BODY_BODY_LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bodies;
struct body;

/* The running boot of the machine (/proc/sys/kernel/random/boot_id), which leases record. */
void body_boot(char *boot, size_t size);

/* Gives the body the next name, and lists it as being written. The first call waits for a lease, for up to a second.
 * 0, or -1: there is no name. */
int body_take_name(struct body *);
/* There is a file of that name already. Leaves that file to the trash; the body has no name any more. */
void body_skip_name(struct body *);
/* The body is sealed. */
void body_written(struct body *);
/* The file of its name is owned by a row or gone; the body has no name any more. */
void body_resolve_name(struct body *);

/* Was any body sealed since the last call? */
bool bodies_any_sealed(struct bodies *);
/* For a lease of ours: all names below `below` are written. They may be recorded as synced after a sync that begins
 * after this call. */
struct bodies_mark {
	int64_t lease_id, below;
};
/* Up to max marks; their number. */
int bodies_marks(struct bodies *, struct bodies_mark *, int max);
/* Closes the leases that are used up and have no unresolved name. */
void bodies_close_leases(struct bodies *);

#endif

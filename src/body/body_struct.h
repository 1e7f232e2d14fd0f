/*
 * body_struct: struct body, a body in flight. Only body.c and body_leases.c see it.
 *
 * One thread makes, writes and seals a body (body.h), so most members belong to it. `bytes` and `owned` may be read by
 * any thread. writing_prev, writing_next and is_writing belong to the list `writing` of struct bodies, under its mutex.
 */
#ifndef CURLEW_BODY_BODY_STRUCT_H
#define CURLEW_BODY_BODY_STRUCT_H

#include "body/bodies_struct.h"
#include "body/checksum.h"
#include "body/spool.h"
#include "index/body_name.h"

struct body {
	struct bodies *bodies;
	int fd;
	atomic_llong bytes;
	char name[BODY_NAME_SIZE];   /* "" while it has no name */
	char spool[SPOOL_NAME_SIZE]; /* "" when it is not in spool/ */
	int64_t number;              /* of the name */
	struct lease *lease;         /* of the name */
	struct body *writing_prev, *writing_next;
	bool is_writing;
	bool failed;
	struct checksum *checksum;
	unsigned char sha256[32]; /* after body_seal() */
	atomic_bool owned;        /* a row owns the file */
};

#endif

/* body_internal: what body.c and body_leases.c share. */
#ifndef CURLEW_BODY_BODY_INTERNAL_H
#define CURLEW_BODY_BODY_INTERNAL_H

#include "base/owner.h"
#include "body/body_files.h"
#include "index/body_name.h"
#include "index/leases.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#define BODY_LEASE_NAMES 4096 /* of the first lease */
#define SPOOL_NAME_SIZE 48

struct lease {
	struct lease *next;
	struct index_lease at;
	int64_t next_name;
	int64_t undecided; /* names whose file is neither owned nor gone */
};

struct bodies {
	int dir_fd;
	struct file_lock *lock;
	struct writer *writer;
	char boot[40];
	EVP_MD *sha256;
	atomic_llong spooled; /* counts names in spool/ */
	atomic_bool fresh;
	struct owner owner;
	bool apart;             /* body/ is on another disk than spool/ */
	atomic_bool failing;    /* the last write failed, and none has succeeded since */
	atomic_bool avoid[256]; /* folders beneath body/ that cannot be written, */
	atomic_int avoided;     /* and how many */
	atomic_llong in_flight; /* bytes written of bodies that no row owns */

	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t lease_came;
	struct lease *current, *following; /* following: asked for ahead */
	struct lease *spent;
	struct body *writing; /* has a name and is not sealed */
	bool asking, waited_in_vain;
	int64_t asked_at; /* clock_us() */
	int64_t lease_names;
	int64_t least_name; /* below it all names are passed over */
};

struct body {
	struct bodies *bodies;
	int fd;
	atomic_llong bytes;
	char name[BODY_NAME_SIZE];   /* "" while it has none */
	char spool[SPOOL_NAME_SIZE]; /* "" when it is not there */
	int64_t number;
	struct lease *lease;
	struct body *writing_before, *writing_behind;
	EVP_MD_CTX *sha;
	unsigned char sha256[32];
	bool is_writing, failed;
	atomic_bool owned;
};

/* body_place.c: body/, spool/ and the mark. 0 or -1 with errno. */
int bodies_make_places(struct bodies *, struct index *);
/* Makes the folder of a name, unless body/ is away. 0 or -1 with errno. */
int body_make_folder(struct bodies *, const char *name);
/* Are names of this number's folder passed over? */
bool body_avoids(const struct bodies *, int64_t number);
/* After an error (errno) in the folder of that number: true when another name may do better. */
bool body_avoid_folder(struct bodies *, int64_t number);
/* A body could not be written. */
void body_note_failure(struct bodies *);
void body_spool_name(struct bodies *, char name[SPOOL_NAME_SIZE]);

/* Gives the body the next name and lists it as being written. -1: there is none. */
int body_take_name(struct body *);
/* A file stands where its name should go: leaves that to the trash; the body has no name again. */
void body_skip_name(struct body *);
/* The body is sealed. */
void body_written(struct body *);
/* The file of its name is owned or gone. */
void body_decide(struct body *);

#endif

#include "body/bodies.h"

#include "base/owner.h"
#include "base/thread.h"
#include "body/bodies_struct.h"
#include "body/body_leases.h"
#include "body/folders.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_LEASE_NAMES 4096

struct bodies *bodies_open(
    int dir_fd, struct file_lock *lock, struct writer *writer, struct index *ix, const char *boot)
{
	struct bodies *b = calloc(1, sizeof *b);
	if (b == NULL)
		return NULL;
	b->dir_fd = dir_fd;
	b->owner = owner_of(dir_fd);
	if (bodies_make_folders(b, ix) < 0) {
		free(b);
		return NULL;
	}
	b->lock = lock;
	b->writer = writer;
	b->lease_names = FIRST_LEASE_NAMES;
	snprintf(b->boot, sizeof b->boot, "%s", boot);
	pthread_mutex_init(&b->mutex, NULL);
	thread_cond_init(&b->lease_came);
	return b;
}

void bodies_return_leases(struct bodies *b)
{
	pthread_mutex_lock(&b->mutex);
	struct lease *last[] = {b->current, b->ahead};
	b->current = b->ahead = NULL;
	for (int i = 0; i < 2; i++) {
		if (last[i] != NULL) {
			last[i]->next = b->spent;
			b->spent = last[i];
		}
	}
	pthread_mutex_unlock(&b->mutex);
	bodies_close_leases(b);
}

void bodies_free(struct bodies *b)
{
	if (b == NULL)
		return;
	while (b->spent != NULL) {
		struct lease *l = b->spent;
		b->spent = l->next;
		free(l);
	}
	free(b->current);
	free(b->ahead);
	pthread_cond_destroy(&b->lease_came);
	pthread_mutex_destroy(&b->mutex);
	free(b);
}

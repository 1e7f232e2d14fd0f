/*
 * Names, leases and synced marks.
 *
 * Names. The writer's queue takes a lease, so the lease is committed before its first name is used. When half of a
 * lease is used, the next one is requested; only the first body of all waits. The writer thread never waits here: it
 * asks bodies_have_name() first, and commits the lease if there is none. A lease whose names are used up is closed
 * when each of its files is owned by a row or is gone (`unresolved` is 0). Until then the sweep of another process must
 * leave it alone, which it does while the lock of the owner is held (invariant 3).
 *
 * A power cut may lose the last leases, and all rows that came after them. Then a name may meet a file that nobody
 * owns. So no file is ever overwritten: the name is skipped, and the file goes to the trash, where its ownership is
 * checked.
 *
 * Synced marks (invariant 7). All bodies that are sealed when a sync begins are on the disk when it ends. A name is in
 * the list `writing` from its taking to its sealing. All names below the lowest of those, and below the next name, are
 * sealed.
 */
#include "body/body_leases.h"

#include "base/clock.h"
#include "body/bodies_struct.h"
#include "body/body_struct.h"
#include "body/folders.h"
#include "index/trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEASE_NAMES_MAX 65536
#define LEASE_QUICK_US 2000000 /* if a lease is used up this fast, the next one is larger */
#define FIRST_LEASE_WAIT_MS 1000

void body_boot(char *boot, size_t size)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot, size - 1) : 0;
	if (fd >= 0)
		close(fd);
	boot[n > 0 ? n : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

static void request_lease(struct bodies *b);

/* All names of the current lease are taken. */
static void spend_current(struct bodies *b)
{
	struct lease *l = b->current;
	l->next = b->spent;
	b->spent = l;
	b->current = b->ahead;
	b->ahead = NULL;
}

/* Skips names whose folder cannot be written. The caller holds the mutex. */
static void pass_over(struct bodies *b)
{
	for (struct lease *l; (l = b->current) != NULL && body_avoids(b, l->next_name);) {
		int64_t next = (l->next_name | 0xffff) + 1;
		for (int i = 0; i < 255 && body_avoids(b, next); i++)
			next += 0x10000;
		b->least_name = next;
		l->next_name = next < l->at.end ? next : l->at.end;
		if (l->next_name == l->at.end)
			spend_current(b);
	}
}

int body_take_name(struct body *body)
{
	struct bodies *b = body->bodies;
	int result = -1;
	pthread_mutex_lock(&b->mutex);
	pass_over(b);
	if (b->current == NULL && !b->requesting)
		request_lease(b);
	if (b->current == NULL && !b->wait_failed && !writer_is_self(b->writer)) {
		struct timespec until = clock_after_us(FIRST_LEASE_WAIT_MS * 1000);
		while (b->current == NULL && b->requesting)
			if (pthread_cond_timedwait(&b->lease_came, &b->mutex, &until) == ETIMEDOUT)
				break;
		b->wait_failed = b->current == NULL;
	}
	struct lease *l = b->current;
	if (l != NULL) {
		body->number = l->next_name++;
		body->lease = l;
		body_name(body->number, body->name);
		l->unresolved++;
		body->is_writing = true;
		body->writing_prev = NULL;
		body->writing_next = b->writing;
		if (b->writing != NULL)
			b->writing->writing_prev = body;
		b->writing = body;
		if (l->at.end - l->next_name <= (l->at.end - l->at.first) / 2 && b->ahead == NULL && !b->requesting)
			request_lease(b);
		if (l->next_name == l->at.end)
			spend_current(b);
		result = 0;
	}
	pthread_mutex_unlock(&b->mutex);
	return result;
}

bool bodies_have_name(struct bodies *b)
{
	pthread_mutex_lock(&b->mutex);
	pass_over(b);
	if (b->current == NULL && !b->requesting && !b->wait_failed)
		request_lease(b);
	bool on_its_way = b->current == NULL && b->requesting;
	pthread_mutex_unlock(&b->mutex);
	return !on_its_way;
}

static void stop_writing(struct body *body)
{
	struct bodies *b = body->bodies;
	if (!body->is_writing)
		return;
	if (body->writing_prev != NULL)
		body->writing_prev->writing_next = body->writing_next;
	else
		b->writing = body->writing_next;
	if (body->writing_next != NULL)
		body->writing_next->writing_prev = body->writing_prev;
	body->is_writing = false;
}

void body_resolve_name(struct body *body)
{
	struct bodies *b = body->bodies;
	pthread_mutex_lock(&b->mutex);
	stop_writing(body);
	if (body->lease != NULL)
		body->lease->unresolved--;
	body->lease = NULL;
	body->name[0] = '\0';
	pthread_mutex_unlock(&b->mutex);
}

/* A file that has the name we were about to use (see the head of this file). */
struct stray {
	struct writer_op op;
	char name[BODY_NAME_SIZE];
};

static int stray_run(struct writer_op *op, struct index *ix)
{
	return index_trash_add(ix, ((struct stray *)op)->name);
}

static void stray_done(struct writer_op *op, bool committed)
{
	(void)committed;
	free(op);
}

void body_skip_name(struct body *body)
{
	struct stray *s = calloc(1, sizeof *s);
	if (s != NULL) {
		s->op.run = stray_run;
		s->op.done = stray_done;
		memcpy(s->name, body->name, sizeof s->name);
		writer_queue(body->bodies->writer, &s->op, false);
	}
	body_resolve_name(body);
}

void body_written(struct body *body)
{
	pthread_mutex_lock(&body->bodies->mutex);
	stop_writing(body);
	pthread_mutex_unlock(&body->bodies->mutex);
	atomic_store(&body->bodies->any_sealed, true);
	if (atomic_load(&body->bytes) > 0)
		atomic_store(&body->bodies->failing, false);
}

struct lease_request {
	struct writer_op op;
	struct bodies *bodies;
	struct lease *lease;
	int64_t names, least;
};

static int request_run(struct writer_op *op, struct index *ix)
{
	struct lease_request *a = (struct lease_request *)op;
	return index_lease_take(
	    ix, file_lock_owner(a->bodies->lock), a->bodies->boot, a->names, a->least, &a->lease->at);
}

static void request_done(struct writer_op *op, bool committed)
{
	struct lease_request *a = (struct lease_request *)op;
	struct bodies *b = a->bodies;
	pthread_mutex_lock(&b->mutex);
	b->requesting = false;
	if (committed) {
		a->lease->next_name = a->lease->at.first;
		if (b->current == NULL)
			b->current = a->lease;
		else
			b->ahead = a->lease;
		b->wait_failed = false;
	} else {
		b->wait_failed = true;
		free(a->lease);
	}
	pthread_cond_broadcast(&b->lease_came);
	pthread_mutex_unlock(&b->mutex);
	free(a);
}

/* The caller holds the mutex. */
static void request_lease(struct bodies *b)
{
	struct lease_request *a = calloc(1, sizeof *a);
	struct lease *l = calloc(1, sizeof *l);
	if (a == NULL || l == NULL) {
		free(a);
		free(l);
		return;
	}
	int64_t now = clock_us();
	if (b->requested_at != 0 && now - b->requested_at < LEASE_QUICK_US && b->lease_names < LEASE_NAMES_MAX)
		b->lease_names *= 4;
	b->requested_at = now;
	b->requesting = true;
	*a = (struct lease_request){.op = {.run = request_run, .done = request_done},
	    .bodies = b,
	    .lease = l,
	    .names = b->lease_names,
	    .least = b->least_name};
	writer_queue_urgent(b->writer, &a->op);
}

struct closing {
	struct writer_op op;
	int64_t id, first, end;
};

static int closing_run(struct writer_op *op, struct index *ix)
{
	struct closing *s = (struct closing *)op;
	return s->end == s->first ? index_lease_remove(ix, s->id) : index_lease_close(ix, s->id, s->end);
}

static void closing_done(struct writer_op *op, bool committed)
{
	(void)committed; /* after an error the lease is swept when this process is dead */
	free(op);
}

/* Closes a lease that is on no list any more. */
static void close_lease(struct bodies *b, struct lease *l)
{
	struct closing *s = calloc(1, sizeof *s);
	if (s != NULL) {
		*s = (struct closing){.op = {.run = closing_run, .done = closing_done},
		    .id = l->at.id,
		    .first = l->at.first,
		    .end = l->next_name};
		writer_queue(b->writer, &s->op, false);
	}
	free(l);
}

void bodies_close_leases(struct bodies *b)
{
	struct lease *done = NULL;
	pthread_mutex_lock(&b->mutex);
	for (struct lease **at = &b->spent; *at != NULL;) {
		struct lease *l = *at;
		if (l->unresolved == 0) {
			*at = l->next;
			l->next = done;
			done = l;
		} else {
			at = &l->next;
		}
	}
	pthread_mutex_unlock(&b->mutex);
	while (done != NULL) {
		struct lease *l = done;
		done = l->next;
		close_lease(b, l);
	}
}

bool bodies_any_sealed(struct bodies *b)
{
	return atomic_exchange(&b->any_sealed, false);
}

static int64_t mark_of(const struct bodies *b, const struct lease *l)
{
	int64_t below = l->next_name;
	for (const struct body *w = b->writing; w != NULL; w = w->writing_next)
		if (w->lease == l && w->number < below)
			below = w->number;
	return below;
}

int bodies_marks(struct bodies *b, struct bodies_mark *marks, int max)
{
	int n = 0;
	pthread_mutex_lock(&b->mutex);
	if (b->current != NULL && n < max)
		marks[n++] = (struct bodies_mark){b->current->at.id, mark_of(b, b->current)};
	for (const struct lease *l = b->spent; l != NULL && n < max; l = l->next)
		marks[n++] = (struct bodies_mark){l->at.id, mark_of(b, l)};
	pthread_mutex_unlock(&b->mutex);
	return n;
}

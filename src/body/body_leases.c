/*
 * Names, leases and synced marks.
 *
 * Names. A lease is taken through the writer's queue and therefore committed before its first name is used; another one
 * is asked for when half of it is used, so that nobody waits for it but the first body of all. A lease whose names are
 * used up is settled when each of its files is either owned by a row or gone (`undecided` is 0). Until then the sweep
 * of another process must leave it alone, which it does while file_lock_owner() lives (invariant 3).
 *
 * A power cut may lose the last leases together with all rows that came after them, and then a name meets a file nobody
 * owns. So no file is ever written over: the name is skipped and the file goes to the trash, where its ownership is
 * looked into.
 *
 * Synced marks (invariant 7). All bodies that are sealed when a sync begins are on the disk when it ends. A name is
 * `writing` from its taking to its sealing; what is below the lowest of those, or below the next name, is sealed.
 *
 * The mutex guards leases, marks and the list of bodies being written.
 */
#include "body/body_internal.h"

#include "base/clock.h"
#include "index/body_name.h"
#include "index/leases.h"
#include "index/trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEASE_NAMES_MAX 65536
#define LEASE_QUICK_US 2000000 /* a lease used up this fast is followed by a larger one */
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

static void url_argument_for_lease(struct bodies *b);

/* All its names are given. */
static void spend_current(struct bodies *b)
{
	struct lease *l = b->current;
	l->next = b->spent;
	b->spent = l;
	b->current = b->following;
	b->following = NULL;
}

/* Names whose folder cannot be written are passed over, up to the first that can be. With the mutex held. */
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
	if (b->current == NULL && !b->asking)
		url_argument_for_lease(b);
	if (b->current == NULL && !b->waited_in_vain) {
		struct timespec until = clock_after_us(FIRST_LEASE_WAIT_MS * 1000);
		while (b->current == NULL && b->asking)
			if (pthread_cond_timedwait(&b->lease_came, &b->mutex, &until) == ETIMEDOUT)
				break;
		b->waited_in_vain = b->current == NULL;
	}
	struct lease *l = b->current;
	if (l != NULL) {
		body->number = l->next_name++;
		body->lease = l;
		body_name(body->number, body->name);
		l->undecided++;
		body->is_writing = true;
		body->writing_before = NULL;
		body->writing_behind = b->writing;
		if (b->writing != NULL)
			b->writing->writing_before = body;
		b->writing = body;
		if (l->at.end - l->next_name <= (l->at.end - l->at.first) / 2 && b->following == NULL && !b->asking)
			url_argument_for_lease(b);
		if (l->next_name == l->at.end)
			spend_current(b);
		result = 0;
	}
	pthread_mutex_unlock(&b->mutex);
	return result;
}

static void stop_writing(struct body *body)
{
	struct bodies *b = body->bodies;
	if (!body->is_writing)
		return;
	if (body->writing_before != NULL)
		body->writing_before->writing_behind = body->writing_behind;
	else
		b->writing = body->writing_behind;
	if (body->writing_behind != NULL)
		body->writing_behind->writing_before = body->writing_before;
	body->is_writing = false;
}

void body_decide(struct body *body)
{
	struct bodies *b = body->bodies;
	pthread_mutex_lock(&b->mutex);
	stop_writing(body);
	if (body->lease != NULL)
		body->lease->undecided--;
	body->lease = NULL;
	body->name[0] = '\0';
	pthread_mutex_unlock(&b->mutex);
}

/* A file stands where our name should go (see above). */
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
	body_decide(body);
}

void body_written(struct body *body)
{
	pthread_mutex_lock(&body->bodies->mutex);
	stop_writing(body);
	pthread_mutex_unlock(&body->bodies->mutex);
	atomic_store(&body->bodies->fresh, true);
	if (body_bytes(body) > 0)
		atomic_store(&body->bodies->failing, false);
}

/* --- leases --- */

struct asked {
	struct writer_op op;
	struct bodies *bodies;
	struct lease *lease;
	int64_t names, least;
};

static int asked_run(struct writer_op *op, struct index *ix)
{
	struct asked *a = (struct asked *)op;
	return index_lease_take(
	    ix, file_lock_owner(a->bodies->lock), a->bodies->boot, a->names, a->least, &a->lease->at);
}

static void asked_done(struct writer_op *op, bool committed)
{
	struct asked *a = (struct asked *)op;
	struct bodies *b = a->bodies;
	pthread_mutex_lock(&b->mutex);
	b->asking = false;
	if (committed) {
		a->lease->next_name = a->lease->at.first;
		if (b->current == NULL)
			b->current = a->lease;
		else
			b->following = a->lease;
		b->waited_in_vain = false;
	} else {
		free(a->lease);
	}
	pthread_cond_broadcast(&b->lease_came);
	pthread_mutex_unlock(&b->mutex);
	free(a);
}

/* With the mutex held. */
static void url_argument_for_lease(struct bodies *b)
{
	struct asked *a = calloc(1, sizeof *a);
	struct lease *l = calloc(1, sizeof *l);
	if (a == NULL || l == NULL) {
		free(a);
		free(l);
		return;
	}
	int64_t now = clock_us();
	if (b->asked_at != 0 && now - b->asked_at < LEASE_QUICK_US && b->lease_names < LEASE_NAMES_MAX)
		b->lease_names *= 4;
	b->asked_at = now;
	b->asking = true;
	*a = (struct asked){.op = {.run = asked_run, .done = asked_done},
	    .bodies = b,
	    .lease = l,
	    .names = b->lease_names,
	    .least = b->least_name};
	writer_queue(b->writer, &a->op, false);
}

struct settled {
	struct writer_op op;
	int64_t id, first, behind;
};

static int settled_run(struct writer_op *op, struct index *ix)
{
	struct settled *s = (struct settled *)op;
	return s->behind == s->first ? index_lease_remove(ix, s->id) : index_lease_close(ix, s->id, s->behind);
}

static void settled_done(struct writer_op *op, bool committed)
{
	(void)committed; /* if not, the lease is swept when we are dead */
	free(op);
}

/* Ends a lease that is on no list any more. */
static void settle(struct bodies *b, struct lease *l)
{
	struct settled *s = calloc(1, sizeof *s);
	if (s != NULL) {
		*s = (struct settled){.op = {.run = settled_run, .done = settled_done},
		    .id = l->at.id,
		    .first = l->at.first,
		    .behind = l->next_name};
		writer_queue(b->writer, &s->op, false);
	}
	free(l);
}

void bodies_settle(struct bodies *b)
{
	struct lease *done = NULL;
	pthread_mutex_lock(&b->mutex);
	for (struct lease **at = &b->spent; *at != NULL;) {
		struct lease *l = *at;
		if (l->undecided == 0) {
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
		settle(b, l);
	}
}

bool bodies_fresh(struct bodies *b)
{
	return atomic_exchange(&b->fresh, false);
}

static int64_t mark_of(const struct bodies *b, const struct lease *l)
{
	int64_t below = l->next_name;
	for (const struct body *w = b->writing; w != NULL; w = w->writing_behind)
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

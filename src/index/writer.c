/*
 * Preparing. Operations leave the queue for the list `ready` when they are prepared: 500 at most, and for 20 ms at
 * most, so a slow disk does not keep all other operations from their transaction for longer. One round prepares, begins
 * a transaction, runs what is ready and commits. Half of the gap after it is used to prepare the next round.
 *
 * Transactions. A transaction takes ready operations until there are no more or it has taken 5 ms. That bounds how long
 * other processes wait. After it, the lock stays free for a gap: twice as long as the transaction took, and at least
 * 10 ms, while the queue is short. The gap shrinks as the queue grows, and ends early for writer_barrier(). The gap is
 * also what groups commits: operations that arrive during it share a transaction, and ten rows in one transaction keep
 * others out for less time than ten transactions.
 *
 * Yielding. A process that has just opened the index is about to ask for the lock, perhaps only once. So the running
 * transaction ends, and none begins for a while. The writer does not yield when the queue is so long that operations
 * may be dropped.
 *
 * Priority. Where the system permits it (root, or LimitNICE= of systemd), a transaction runs at a higher priority. It
 * is short, and while the thread waits for a processor in the middle of it, all other writers wait.
 *
 * Lists. An operation is on one of these lists: `urgent` (goes first), `queue` (will run, in order), `ready` (prepared;
 * the thread's own) or `dropped` (droppable, and the queue was full). The writer thread also calls done() of a dropped
 * operation. The thread that queued it may hold locks that done() needs.
 *
 * Errors. A lost transaction takes only its own operations with it. They fail. Nothing is tried twice, unless its owner
 * queues it again.
 */
#include "index/writer.h"

#include "base/clock.h"
#include "base/thread.h"
#include "index/db_size.h"
#include "index/index.h"
#include "index/open_watch.h"
#include "index/transaction.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#define BATCH_OPS 500
#define BATCH_US 5000
#define GAP_US 10000
#define GAP_TIMES 2 /* times the length of the transaction */
#define GAP_MIN_US 200
#define GAP_MAX_US 100000
#define GAP_FULL_BELOW 2048 /* with more operations queued than this, the gap is shorter */
#define NICE (-20)
#define QUEUE_MAX 16384 /* more droppable operations than this are dropped */
#define PREPARE_US 20000
#define HURRY_PATIENCE_US 5000000
#define FAILED_PAUSE_US 100000

struct list {
	struct writer_op *first, **tail;
};

struct writer {
	struct index *ix;
	int open_watch; /* a watch of open_watch.h */
	pthread_t thread;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t wake;
	pthread_cond_t hasten; /* ends a gap early */
	struct list urgent, queue, dropped;
	long queued;       /* operations that are queued or ready */
	long queued_files; /* those of them that hold a descriptor */
	long files_max;
	bool waiting, stopping, checkpoint;
	int barriers;       /* threads in writer_barrier() */
	int64_t give_up_at; /* 0: never */

	/* the thread's own */
	struct list ready;
	long ready_count;
	int nice;         /* its ordinary priority */
	bool is_ordinary; /* it cannot be raised */
};

/* --- lists --- */

static void list_init(struct list *l)
{
	l->first = NULL;
	l->tail = &l->first;
}

static void list_add(struct list *l, struct writer_op *op)
{
	op->next = NULL;
	*l->tail = op;
	l->tail = &op->next;
}

static void list_add_first(struct list *l, struct writer_op *op)
{
	if ((op->next = l->first) == NULL)
		l->tail = &op->next;
	l->first = op;
}

static struct writer_op *list_take(struct list *l)
{
	struct writer_op *op = l->first;
	if (op != NULL && (l->first = op->next) == NULL)
		l->tail = &l->first;
	return op;
}

static void finish(struct list *l, bool committed)
{
	struct writer_op *op;
	while ((op = list_take(l)) != NULL)
		op->done(op, committed && op->result == 0);
}

/* --- the thread --- */

/* Takes the next operation to prepare. */
static struct writer_op *next_unprepared(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	struct writer_op *op = list_take(&w->urgent);
	if (op == NULL)
		op = list_take(&w->queue);
	pthread_mutex_unlock(&w->mutex);
	return op;
}

/* It waits for an urgent operation. All urgent ones are ready after this call. */
static void put_back(struct writer *w, struct writer_op *op)
{
	pthread_mutex_lock(&w->mutex);
	list_add_first(&w->queue, op);
	while ((op = list_take(&w->urgent)) != NULL) {
		list_add(&w->ready, op);
		w->ready_count++;
	}
	pthread_mutex_unlock(&w->mutex);
}

/* Fills the list `ready`. */
static void prepare(struct writer *w)
{
	int64_t began = clock_us();
	struct writer_op *op;
	while (w->ready_count < BATCH_OPS && (op = next_unprepared(w)) != NULL) {
		if (op->prepare != NULL && !op->prepare(op)) {
			put_back(w, op);
			return;
		}
		list_add(&w->ready, op);
		w->ready_count++;
		if (op->prepare != NULL && clock_us() - began >= PREPARE_US)
			return;
	}
}

/* Takes the next operation to run. *left: how many are still queued or ready after it. */
static struct writer_op *next_op(struct writer *w, long *left)
{
	struct writer_op *op = list_take(&w->ready);
	pthread_mutex_lock(&w->mutex);
	if (op != NULL) {
		w->ready_count--;
		w->queued--;
		w->queued_files -= op->has_file;
	}
	*left = w->queued;
	pthread_mutex_unlock(&w->mutex);
	return op;
}

/* Fails the operations of a transaction that cannot begin. */
static void fail_batch(struct writer *w)
{
	struct list failed;
	list_init(&failed);
	struct writer_op *op;
	long left;
	while ((op = next_op(w, &left)) != NULL)
		list_add(&failed, op);
	finish(&failed, false);
}

/* Is the queue so short that others may go first? */
static bool is_relaxed(long left)
{
	return left < QUEUE_MAX / 4 * 3;
}

/* On Linux this is the priority of this thread alone. Most users may not raise it, and then nothing changes. */
static void set_nice(struct writer *w, int nice)
{
	if (!w->is_ordinary)
		w->is_ordinary = setpriority(PRIO_PROCESS, 0, nice) != 0;
}

/* Runs one transaction. How it began; *took_us: how long others were kept out; *left: how many operations are still
 * queued. */
static enum index_begun batch(struct writer *w, int64_t *took_us, long *left)
{
	set_nice(w, NICE);
	enum index_begun begun = index_begin(w->ix, "writer");
	if (begun != INDEX_BEGUN) {
		set_nice(w, w->nice);
		return begun;
	}
	int64_t began = clock_us();
	struct list done;
	list_init(&done);
	struct writer_op *op;
	bool lost = false;
	while (!lost && (op = next_op(w, left)) != NULL) {
		op->result = op->run(op, w->ix);
		list_add(&done, op);
		lost = !index_in_transaction(w->ix);
		if (clock_us() - began >= BATCH_US || (is_relaxed(*left) && open_watch_came(w->open_watch)))
			break;
	}
	if (lost)
		index_abort(w->ix);
	bool committed = !lost && index_commit(w->ix) == 0;
	*took_us = clock_us() - began;
	set_nice(w, w->nice);
	finish(&done, committed);
	if (!committed)
		clock_pause_us(FAILED_PAUSE_US);
	return INDEX_BEGUN;
}

/* Leaves the lock free for us microseconds, unless somebody is in a hurry. */
static void stay_away(void *arg, int64_t us)
{
	struct writer *w = arg;
	struct timespec until = clock_after_us(us);
	int rc = 0;
	pthread_mutex_lock(&w->mutex);
	while (rc == 0 && w->barriers == 0 && w->give_up_at == 0)
		rc = pthread_cond_timedwait(&w->hasten, &w->mutex, &until);
	pthread_mutex_unlock(&w->mutex);
}

/* left: how many operations were queued when the transaction ended. */
static void gap(struct writer *w, int64_t took_us, long left)
{
	int64_t began = clock_us();
	clock_pause_us(GAP_MIN_US);
	prepare(w);
	int64_t us = GAP_TIMES * took_us;
	if (left > GAP_FULL_BELOW)
		us = us * GAP_FULL_BELOW / left;
	else if (us < GAP_US)
		us = GAP_US;
	if (us > GAP_MAX_US)
		us = GAP_MAX_US;
	us -= clock_us() - began;
	if (us > 0)
		stay_away(w, us);
	if (is_relaxed(left))
		open_watch_let_pass(w->open_watch, stay_away, w);
}

static void *run(void *arg)
{
	struct writer *w = arg;
	int64_t took_us = 0;
	long left = 0;
	w->nice = getpriority(PRIO_PROCESS, 0);
	for (;;) {
		pthread_mutex_lock(&w->mutex);
		while (w->queued == 0 && w->dropped.first == NULL && !w->checkpoint && !w->stopping) {
			w->waiting = true;
			pthread_cond_wait(&w->wake, &w->mutex);
			w->waiting = false;
		}
		struct list dropped;
		list_init(&dropped);
		struct writer_op *op;
		while ((op = list_take(&w->dropped)) != NULL)
			list_add(&dropped, op);
		bool work = w->queued > 0, stopping = w->stopping, checkpoint = w->checkpoint;
		int64_t give_up_at = w->give_up_at;
		w->checkpoint = false;
		pthread_mutex_unlock(&w->mutex);

		finish(&dropped, false);
		int log, copied;
		if (checkpoint)
			index_checkpoint(w->ix, &log, &copied);
		if (!work && stopping)
			return NULL;
		if (!work)
			continue;
		prepare(w);
		switch (batch(w, &took_us, &left)) {
		case INDEX_BEGUN:
			gap(w, took_us, left);
			break;
		case INDEX_LOCKED:
			if (give_up_at != 0 && clock_us() > give_up_at)
				fail_batch(w);
			break;
		case INDEX_FAILED:
			fail_batch(w);
			clock_pause_us(FAILED_PAUSE_US);
			break;
		}
	}
}

/* --- the others --- */

struct writer *writer_start(struct index *ix, const char *dir)
{
	struct writer *w = calloc(1, sizeof *w);
	if (w == NULL) {
		index_close(ix);
		return NULL;
	}
	w->ix = ix;
	w->open_watch = open_watch_begin(dir);
	list_init(&w->urgent);
	list_init(&w->queue);
	list_init(&w->dropped);
	list_init(&w->ready);
	struct rlimit files;
	w->files_max = QUEUE_MAX;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 4 < QUEUE_MAX)
		w->files_max = (long)(files.rlim_cur / 4);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->wake, NULL);
	thread_cond_init(&w->hasten);
	if (thread_start(&w->thread, "writer", run, w) != 0) {
		pthread_cond_destroy(&w->hasten);
		pthread_cond_destroy(&w->wake);
		pthread_mutex_destroy(&w->mutex);
		open_watch_end(w->open_watch);
		index_close(ix);
		free(w);
		return NULL;
	}
	return w;
}

static void hurry(struct writer *w)
{
	if (w->give_up_at == 0)
		w->give_up_at = clock_us() + HURRY_PATIENCE_US;
	pthread_cond_signal(&w->hasten);
}

void writer_hurry(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	hurry(w);
	pthread_mutex_unlock(&w->mutex);
}

void writer_stop(struct writer *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->mutex);
	hurry(w);
	w->stopping = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->hasten);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->mutex);
	open_watch_end(w->open_watch);
	index_close(w->ix);
	free(w);
}

static void queue(struct writer *w, struct list *list, struct writer_op *op, bool droppable)
{
	op->result = -1;
	pthread_mutex_lock(&w->mutex);
	if (droppable && (w->queued >= QUEUE_MAX || (op->has_file && w->queued_files >= w->files_max))) {
		list_add(&w->dropped, op);
	} else {
		list_add(list, op);
		w->queued++;
		w->queued_files += op->has_file;
	}
	bool wake = w->waiting;
	pthread_mutex_unlock(&w->mutex);
	if (wake)
		pthread_cond_signal(&w->wake);
}

void writer_queue(struct writer *w, struct writer_op *op, bool droppable)
{
	queue(w, &w->queue, op, droppable);
}

void writer_queue_urgent(struct writer *w, struct writer_op *op)
{
	queue(w, &w->urgent, op, false);
}

bool writer_is_self(const struct writer *w)
{
	return pthread_equal(w->thread, pthread_self());
}

void writer_checkpoint(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	w->checkpoint = true;
	if (w->waiting)
		pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
}

int writer_wal_frames(const struct writer *w)
{
	return index_wal_frames(w->ix);
}

struct barrier {
	struct writer_op op;
	pthread_mutex_t mutex;
	pthread_cond_t reached;
	bool is_reached;
};

static int barrier_run(struct writer_op *op, struct index *ix)
{
	(void)op;
	(void)ix;
	return 0;
}

static void barrier_done(struct writer_op *op, bool committed)
{
	(void)committed;
	struct barrier *b = (struct barrier *)op;
	pthread_mutex_lock(&b->mutex);
	b->is_reached = true;
	pthread_cond_signal(&b->reached);
	pthread_mutex_unlock(&b->mutex);
}

static void hasten(struct writer *w, int barriers)
{
	pthread_mutex_lock(&w->mutex);
	w->barriers += barriers;
	pthread_cond_signal(&w->hasten);
	pthread_mutex_unlock(&w->mutex);
}

void writer_barrier(struct writer *w)
{
	struct barrier b = {.op = {.run = barrier_run, .done = barrier_done}};
	pthread_mutex_init(&b.mutex, NULL);
	pthread_cond_init(&b.reached, NULL);
	writer_queue(w, &b.op, false);
	hasten(w, 1);
	pthread_mutex_lock(&b.mutex);
	while (!b.is_reached)
		pthread_cond_wait(&b.reached, &b.mutex);
	pthread_mutex_unlock(&b.mutex);
	hasten(w, -1);
	pthread_cond_destroy(&b.reached);
	pthread_mutex_destroy(&b.mutex);
}

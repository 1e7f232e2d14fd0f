/*
 * A body of up to SMALL_BYTES stays in memory until its row is committed. It needs two threads:
 *
 *   engine's thread   on_data appends to the buffer and takes room in the cache; on_done queues the put;
 *   writer's thread   write_small makes, writes, hashes, seals and closes the file, before the transaction; then the
 *                     row is committed, and put_over is called.
 *
 * Three threads work on a larger body, and on one that is put together from stored parts:
 *
 *   engine's thread   on_data appends to the buffer, takes room in the cache and queues the disk job;
 *   disk thread       run_job writes what is in the buffer to the body file. When the flight is COMPLETE (or ABORTED
 *                     with a part worth keeping) it seals the file and hands it to the writer;
 *   writer's thread   commits the row and calls put_over.
 *
 * The disk job is queued or running at most once (disk_busy), and a small body has none. So run_job or write_small is
 * the only code that writes f->body and f->on_disk. It releases the flight's lock around every write. Meanwhile bytes
 * may arrive, storing may be given up, or an invalidation may come: all are looked at again after each write.
 *
 * Storing ends early through flight_store_give_up(), from any of these threads. The bytes on disk stay readable until
 * the flight is freed.
 */
#include "fetch/flight_store.h"

#include "base/stats.h"
#include "fetch/flight_state.h"
#include "fetch/flight_table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SMALL_BYTES = 256 << 10,        /* up to here a body is written in one go, when it is whole */
	PIECE_BYTES = 64 << 10,         /* of a larger body: written at a time */
	MEMORY_BYTES = 256 << 10,       /* bytes that stay in memory for readers although they are on disk */
	ROOM_BYTES = 1 << 20,           /* room taken at a time for a body of unknown length */
	COPY_BYTES = 256 << 10,         /* read at a time from a stored part */
	COPY_TURN_BYTES = 16 << 20,     /* copied from stored parts before other bodies have their turn */
	BACKLOG_BYTES = 128 << 20,      /* of complete bodies that wait in memory to be stored; more are not stored */
	FLIGHT_OVERHEAD_BYTES = 8 << 10 /* memory of a waiting flight without its body */
};

/* --- room in the cache --- */

/* The row that will be replaced leaves its room to the new one. */
static int64_t replaced_bytes(const struct flight *f)
{
	return f->was != NULL ? f->was->body_bytes : 0;
}

const char *flight_store_reserve(struct flight *f)
{
	int64_t n = (f->is_part ? f->part_bytes : f->body_bytes) - replaced_bytes(f);
	const char *why = n > 0 ? store_reserve(f->flights->config.store, n) : NULL;
	if (why == NULL)
		f->reserved = n > 0 ? n : 0;
	return why;
}

/* Gives room back, all but `keep` bytes. Under the lock. */
static void release_room(struct flight *f, int64_t keep)
{
	if (f->reserved <= keep)
		return;
	store_release(f->flights->config.store, f->reserved - keep);
	f->reserved = keep;
}

void flight_store_grow(struct flight *f)
{
	int64_t more = f->received - replaced_bytes(f) - f->reserved;
	if (!f->storing || more <= 0)
		return;
	/* Most bodies of unknown length are small: those get exactly the room they need. */
	if (more < ROOM_BYTES && (f->body_bytes >= 0 || f->received > PIECE_BYTES))
		more = ROOM_BYTES;
	const char *why = store_reserve(f->flights->config.store, more);
	if (why == NULL)
		f->reserved += more;
	else if (f->body_bytes < 0 && store_short(f->flights->config.store))
		flight_store_give_up(f, FLIGHT_STORE_NO_ROOM);
	else
		flight_store_give_up(f, why);
}

/* --- not stored after all --- */

void flight_store_refuse(const struct flight *f, const char *reason)
{
	if (strcmp(f->method, "GET") != 0)
		return;
	stats_add(STATS_REFUSED, 1);
	store_refuse(f->flights->config.store, f->url, reason, f->status, flight_state_now());
}

void flight_store_give_up(struct flight *f, const char *reason)
{
	if (!f->storing)
		return;
	f->storing = false;
	f->shareable = false; /* its first bytes may soon be neither in memory nor on disk */
	f->not_stored_why = reason;
	release_room(f, f->on_disk); /* the file keeps its room until it is unlinked with the flight */
	flight_store_refuse(f, reason);
	flight_state_unpause(f); /* readers empty the buffer from here on */
	flight_state_cancel_if_idle(f);
}

/* The body does not wait in memory any more. Under the lock. */
static void leave_backlog(struct flight *f)
{
	atomic_fetch_sub(&f->flights->disk_backlog, f->backlog);
	f->backlog = 0;
}

/* --- the end, on the writer's thread --- */

void flight_store_end(struct flight *f, bool owned)
{
	/* First of all: a thread that finds the flight ENDED must also find another generation, and so the row. */
	flight_table_remove(f);
	pthread_mutex_lock(&f->lock);
	f->committed = owned;
	leave_backlog(f);
	if (owned)
		release_room(f, 0); /* the row counts from now on */
	if (f->state == FLIGHT_COMPLETE)
		flight_state_enter(f, FLIGHT_ENDED);
	flight_state_trim(f);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	flight_state_drop(f);
}

/* On the writer's thread. A refresh owns no body. */
static void refresh_over(struct store_refresh *refresh)
{
	flight_store_end((struct flight *)(void *)((char *)refresh - offsetof(struct flight, refresh)), false);
}

/* f->entry and the validated row are fixed, and live as long as the reference: the writer reads them without a lock. */
void flight_store_refresh(struct flight *f)
{
	flight_state_hold(f); /* until refresh_over() */
	f->refresh =
	    (struct store_refresh){.was = flight_state_validated_row(f), .now = f->entry, .done = refresh_over};
	store_refresh(f->flights->config.store, &f->refresh);
}

/* Why the writer did not store it; NULL: it did, or there is nothing to record. */
static const char *reason_of(const struct flight *f, enum store_put_outcome outcome)
{
	if (outcome == STORE_PUT_PURGED && !f->is_part)
		return "purged while it was fetched";
	if (outcome == STORE_PUT_CHANGED && !f->is_part)
		return "what is stored was given another lifetime while this was fetched";
	if (outcome != STORE_PUT_STOPPED)
		return NULL;
	const char *why = store_stopped(f->flights->config.store);
	return why != NULL ? why : "nothing was stored at that moment";
}

/* On the writer's thread, after the commit or in its place. */
static void put_over(struct store_put *put, enum store_put_outcome outcome)
{
	struct flight *f = (struct flight *)(void *)((char *)put - offsetof(struct flight, put));
	bool done = outcome == STORE_PUT_DONE;
	const char *reason = reason_of(f, outcome);
	if (done)
		stats_add(STATS_STORED, 1);
	if (reason != NULL)
		flight_store_refuse(f, reason);
	if (done && put->covered.count > 0) /* with this part, the parts of the URL cover a whole body */
		combiner_add(f->flights->combiner, &put->covered, &f->decision, f->purge_id);
	if (done && !f->is_part)
		compressor_want(f->flights->compressor, f->entry, f->coding, f->purge_id);
	index_parts_free(&put->covered);
	flight_store_end(f, done);
}

/* --- on the disk thread, or for a small body on the writer's --- */

/* Nothing more comes from the origin. */
static bool has_ended(const struct flight *f)
{
	return f->state == FLIGHT_COMPLETE || f->state == FLIGHT_ABORTED;
}

/* Reads what a stored part has at the end of the body file, up to a buffer full. {NULL, 0}: nothing; the bytes there
 * must come from the origin. *failed: the part cannot be read. Under the lock, which is released around the disk. */
static struct span read_part(struct flight *f, char buffer[COPY_BYTES], bool *failed)
{
	const struct partial_body_segment *p = f->partial != NULL ? partial_body_find(f->partial, f->on_disk) : NULL;
	if (p == NULL)
		return span_make(NULL, 0);
	int64_t skip = f->on_disk - p->at;
	size_t n = p->n - skip < COPY_BYTES ? (size_t)(p->n - skip) : COPY_BYTES;
	/* The parts live as long as the flight from STREAMING on, so p may be used without the lock. */
	pthread_mutex_unlock(&f->lock);
	ssize_t got = pread(p->fd, buffer, n, p->offset + skip);
	pthread_mutex_lock(&f->lock);
	*failed = got != (ssize_t)n;
	return span_make(buffer, *failed ? 0 : n);
}

/* Writes what has arrived, or is stored in parts, and is not in the body file. Under the lock, which is released around
 * the disk. True when there is more but other bodies must have their turn: a large part must not keep the disk thread
 * to itself. */
static bool write_arrived(struct flight *f)
{
	char buffer[COPY_BYTES];
	int64_t copied = 0;
	while (f->storing) {
		struct stream_buffer_segment *segment = NULL;
		bool failed = false;
		struct span bytes = stream_buffer_peek(&f->buffer, f->on_disk, &segment);
		bool from_part = bytes.len == 0;
		if (from_part)
			bytes = read_part(f, buffer, &failed);
		if (bytes.len == 0 && !failed)
			return false;
		/* A body that is whole before its file exists goes straight to its final name. */
		bool in_one_go = has_ended(f) && f->on_disk == 0 && f->partial == NULL;
		/* The segment is held by its own reference: while the lock is released, on_data may append to the
		 * buffer, and readers may leave. */
		struct body *body = f->body;
		pthread_mutex_unlock(&f->lock);
		if (body == NULL && !failed)
			body = body_begin(f->flights->config.store, in_one_go);
		bool ok = !failed && body != NULL && body_write(body, bytes.at, bytes.len) == 0;
		stream_buffer_drop(segment);
		pthread_mutex_lock(&f->lock);
		f->body = body;
		if (!ok) {
			flight_store_give_up(f, "the cache's disk could not take it");
			return false;
		}
		/* Only now may readers use the file up to there, and the buffer forget it. */
		f->on_disk += (int64_t)bytes.len;
		stream_buffer_forget(&f->buffer, f->on_disk - MEMORY_BYTES);
		flight_state_unpause(f);
		if (from_part && (copied += (int64_t)bytes.len) >= COPY_TURN_BYTES)
			return true;
	}
	return false;
}

/* False when the length is not the one that the head promised. A part whose Content-Range is wrong fits nowhere. */
static bool has_promised_length(const struct flight *f)
{
	if (f->is_part && f->state == FLIGHT_COMPLETE)
		return f->on_disk == f->part_bytes;
	return f->body_bytes < 0 || f->is_part || f->on_disk == f->body_bytes;
}

/* The body is complete, in the file too: seals it. True when it is to be put. Under the lock, which is released around
 * the disk and the table. */
static bool seal(struct flight *f)
{
	if (f->invalidated)
		flight_store_give_up(f, "invalidated while it was fetched, RFC 9111 4.4");
	else if (!has_promised_length(f))
		flight_store_give_up(f, "its length is not the one its head gave, RFC 9110 14.4");
	bool wanted = f->storing;
	pthread_mutex_unlock(&f->lock);
	bool earlier = wanted && flight_table_has_earlier(f);
	bool sealed = wanted && !earlier && (f->body == NULL || body_seal(f->body) == 0);
	pthread_mutex_lock(&f->lock);
	sealed = sealed && !f->invalidated; /* it may have come meanwhile; the file goes with the flight */
	if (earlier && f->storing) {        /* the body stays whole, and readable for everybody who has a reader */
		f->storing = false;
		f->not_stored_why = FLIGHT_EARLIER_IN_PROGRESS;
	} else if (!sealed) {
		flight_store_give_up(f, "the cache's disk could not take it");
	}
	return sealed;
}

/* Queues the put, which takes over the caller's reference. write: NULL, or what writes the body. Under the lock. */
static void put(struct flight *f, enum store_written (*write)(struct store_put *))
{
	f->put = (struct store_put){
	    .entry = f->entry,
	    .body = f->body,
	    .write = write,
	    .place = f->is_part ? &f->place : NULL,
	    .purge_id = f->purge_id,
	    .replaces = f->was,
	    .done = put_over,
	};
	flight_state_trim(f);
	/* Still under the lock. An invalidation marks the flight first and queues its store_invalidate() afterwards. So
	 * either seal() sees the mark, or the writer invalidates after this put. */
	store_put(f->flights->config.store, &f->put);
}

/* One turn of the disk thread. It holds a reference, which goes to the put or is dropped. */
static void run_job(struct disk_job *job)
{
	struct flight *f = (struct flight *)(void *)((char *)job - offsetof(struct flight, job));
	pthread_mutex_lock(&f->lock);
	if (write_arrived(f)) {
		pthread_mutex_unlock(&f->lock);
		store_on_disk(f->flights->config.store, job);
		return;
	}
	leave_backlog(f);
	bool sealed = f->storing && has_ended(f) && seal(f);
	bool over = !sealed && has_ended(f);
	if (over && f->state == FLIGHT_COMPLETE)
		flight_state_enter(f, FLIGHT_ENDED);
	/* From here on flight_store_step() may queue the job again, for bytes that arrive now. */
	f->disk_busy = false;
	pthread_cond_broadcast(&f->changed);
	if (sealed) {
		put(f, NULL);
		pthread_mutex_unlock(&f->lock);
		return;
	}
	pthread_mutex_unlock(&f->lock);
	if (over)
		flight_table_remove(f);
	flight_state_drop(f);
}

/* On the writer's thread, before the transaction. The body stays in memory for readers, so the file is closed. */
static enum store_written write_small(struct store_put *put)
{
	struct flight *f = (struct flight *)(void *)((char *)put - offsetof(struct flight, put));
	if (f->received > 0 && !store_have_name(f->flights->config.store))
		return STORE_WRITE_LATER;
	pthread_mutex_lock(&f->lock);
	write_arrived(f);
	bool sealed = f->storing && seal(f);
	put->body = f->body;
	pthread_mutex_unlock(&f->lock);
	if (put->body != NULL)
		body_close(put->body);
	return sealed ? STORE_WRITTEN : STORE_WRITE_FAILED;
}

/* Is the body small, whole and in memory? */
static bool is_small_and_whole(const struct flight *f)
{
	return f->state == FLIGHT_COMPLETE && f->body == NULL && f->partial == NULL && f->received <= SMALL_BYTES &&
	       f->buffer.start == 0 && f->buffer.end == f->received;
}

/* So much is not written yet that the disk thread begins. A body that may be small waits until it is whole. */
static bool is_much(const struct flight *f)
{
	int64_t bytes = f->is_part ? f->part_bytes : f->body_bytes;
	bool may_be_small = f->on_disk == 0 && f->partial == NULL && bytes <= SMALL_BYTES;
	return f->buffer.end - f->on_disk > (may_be_small ? SMALL_BYTES : PIECE_BYTES);
}

void flight_store_step(struct flight *f)
{
	if (!f->storing || f->disk_busy || (!has_ended(f) && !is_much(f)))
		return;
	f->disk_busy = true;
	flight_state_hold(f); /* until the end of run_job(), or of the put */
	if (is_small_and_whole(f)) {
		f->in_memory = true;
		put(f, write_small);
		return;
	}
	f->job.run = run_job;
	store_on_disk(f->flights->config.store, &f->job);
}

/* --- at the end of the fetch --- */

void flight_store_queue_whole(struct flight *f)
{
	int64_t bytes = f->received + FLIGHT_OVERHEAD_BYTES;
	/* Add first and look then: two flights that do so at once cannot both take the last place. */
	if (atomic_fetch_add(&f->flights->disk_backlog, bytes) + bytes <= BACKLOG_BYTES) {
		f->backlog = bytes;
		return;
	}
	atomic_fetch_sub(&f->flights->disk_backlog, bytes);
	flight_store_give_up(f, "the cache's disk or index is too slow for all that comes");
}

bool flight_store_salvage(struct flight *f)
{
	int64_t from = f->partial != NULL ? f->partial->hole_first : 0;
	bool whole = !f->is_part && f->entry != NULL && f->entry->status == 200 && strcmp(f->method, "GET") == 0;
	/* Without a strong validator nothing could ever be combined with it (RFC 9111 3.4). */
	if (!f->storing || f->invalidated || f->place.joined == PART_ALONE || (!f->is_part && !whole) ||
	    f->received <= from)
		return false;
	/* Changed once more after the head. No reader looks at them, and the disk job does so under the lock. */
	if (whole)
		f->place = (struct part_place){.whole_bytes = f->body_bytes, .joined = f->place.joined};
	f->is_part = true;
	return true;
}

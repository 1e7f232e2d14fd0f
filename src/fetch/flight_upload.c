/*
 * Who waits for whom. The client's thread waits on flight->changed: for room in the pipe, or for the engine to want the
 * body at all. The engine never waits: it gets ENGINE_UPLOAD_WAIT, and `paused` reminds the client's thread to
 * wake it. Both sides look and act under the flight's lock, so no wake-up is lost.
 */
#include "fetch/flight_upload.h"

#include "fetch/flight_state.h"

#include <stdlib.h>
#include <string.h>

int flight_upload_new(struct flight *f)
{
	f->upload = calloc(1, sizeof *f->upload);
	if (f->upload == NULL)
		return -1;
	buf_init(&f->upload->bytes, FLIGHT_UPLOAD);
	return 0;
}

void flight_upload_free(struct flight *f)
{
	if (f->upload != NULL)
		buf_fini(&f->upload->bytes);
	free(f->upload);
}

void flight_upload_over(struct flight *f, bool stopped)
{
	if (f->upload == NULL)
		return;
	f->upload->wanted = true;
	f->upload->stopped = f->upload->stopped || stopped;
}

ssize_t flight_upload_take(struct flight *f, char *bytes, size_t n)
{
	struct flight_upload *u = f->upload;
	ssize_t taken;
	pthread_mutex_lock(&f->lock);
	u->wanted = true;
	if (u->bytes.len > 0) {
		taken = (ssize_t)(n < u->bytes.len ? n : u->bytes.len);
		memcpy(bytes, u->bytes.data, (size_t)taken);
		buf_consume(&u->bytes, (size_t)taken);
	} else if (u->broken) { /* only now: the bytes before the break go out */
		taken = ENGINE_UPLOAD_ABORT;
	} else if (u->ended) {
		taken = 0;
	} else {
		u->paused = true;
		taken = ENGINE_UPLOAD_WAIT;
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return taken;
}

/* Under the lock, which keeps f->fetch from ending meanwhile. */
static void wake_engine(struct flight *f)
{
	struct flight_upload *u = f->upload;
	if (u->paused && f->fetch != NULL) {
		u->paused = false;
		engine_resume_upload(f->fetch);
	}
}

bool flight_upload_wanted(struct flight_reader *r)
{
	struct flight *f = r->flight;
	struct flight_upload *u = f->upload;
	pthread_mutex_lock(&f->lock);
	/* The head and the end of the fetch set it too, so this wait ends with the fetch at the latest. */
	while (!u->wanted)
		pthread_cond_wait(&f->changed, &f->lock);
	bool wanted = f->state == FLIGHT_WAITING && !u->stopped;
	pthread_mutex_unlock(&f->lock);
	return wanted;
}

int flight_upload_write(struct flight_reader *r, const char *bytes, size_t n)
{
	struct flight *f = r->flight;
	struct flight_upload *u = f->upload;
	pthread_mutex_lock(&f->lock);
	while (n > 0 && !u->stopped) {
		size_t room = FLIGHT_UPLOAD - u->bytes.len;
		if (room == 0) {
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		/* Part by part: the engine sends the first bytes while the client still sends the rest. */
		size_t part = n < room ? n : room;
		if (buf_add(&u->bytes, bytes, part) != 0) {
			u->broken = true;
			break;
		}
		bytes += part;
		n -= part;
		wake_engine(f);
	}
	bool stopped = n > 0;
	pthread_mutex_unlock(&f->lock);
	return stopped ? -1 : 0;
}

void flight_upload_end(struct flight_reader *r, bool whole)
{
	struct flight *f = r->flight;
	struct flight_upload *u = f->upload;
	pthread_mutex_lock(&f->lock);
	u->ended = true;
	if (!whole)
		u->broken = true;
	/* It may be paused at an empty pipe, and would wait for the end for ever. */
	wake_engine(f);
	pthread_mutex_unlock(&f->lock);
}

void flight_upload_stop(struct flight_reader *r)
{
	struct flight *f = r->flight;
	pthread_mutex_lock(&f->lock);
	flight_upload_over(f, true);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

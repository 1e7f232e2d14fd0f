/*
 * Who waits for whom. The client's thread waits on flight->changed: for room in the pipe, or for the engine to want the
 * body at all. The engine never waits: it gets ENGINE_UPLOAD_WAIT, and `upload_paused` reminds the client's thread to
 * wake it. Both sides look and act under the flight's lock, so no wake-up is lost.
 */
#include "fetch/flight_upload.h"

#include "fetch/flight_state.h"

ssize_t flight_upload_take(struct flight *f, char *bytes, size_t n)
{
	ssize_t taken;
	pthread_mutex_lock(&f->lock);
	f->upload_wanted = true;
	if (f->upload.len > 0) {
		taken = (ssize_t)(n < f->upload.len ? n : f->upload.len);
		memcpy(bytes, f->upload.data, (size_t)taken);
		buf_consume(&f->upload, (size_t)taken);
	} else if (f->upload_broken) { /* only now: the bytes before the break go out */
		taken = ENGINE_UPLOAD_ABORT;
	} else if (f->upload_ended) {
		taken = 0;
	} else {
		f->upload_paused = true;
		taken = ENGINE_UPLOAD_WAIT;
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return taken;
}

/* Under the lock, which keeps f->fetch from ending meanwhile. */
static void wake_engine(struct flight *f)
{
	if (f->upload_paused && f->fetch != NULL) {
		f->upload_paused = false;
		engine_resume_upload(f->fetch);
	}
}

bool flight_upload_wanted(struct flight_reader *r)
{
	struct flight *f = r->flight;
	pthread_mutex_lock(&f->lock);
	/* The head and the end of the fetch set it too, so this wait ends with the fetch at the latest. */
	while (!f->upload_wanted)
		pthread_cond_wait(&f->changed, &f->lock);
	bool wanted = f->state == FLIGHT_WAITING && !f->upload_stopped;
	pthread_mutex_unlock(&f->lock);
	return wanted;
}

int flight_upload_write(struct flight_reader *r, const char *bytes, size_t n)
{
	struct flight *f = r->flight;
	pthread_mutex_lock(&f->lock);
	while (n > 0 && !f->upload_stopped) {
		size_t room = FLIGHT_UPLOAD - f->upload.len;
		if (room == 0) {
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		/* Part by part: the engine sends the first bytes while the client still sends the rest. */
		size_t part = n < room ? n : room;
		if (buf_add(&f->upload, bytes, part) != 0) {
			f->upload_broken = true;
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
	pthread_mutex_lock(&f->lock);
	f->upload_ended = true;
	if (!whole)
		f->upload_broken = true;
	/* It may be paused at an empty pipe, and would wait for the end for ever. */
	wake_engine(f);
	pthread_mutex_unlock(&f->lock);
}

void flight_upload_stop(struct flight_reader *r)
{
	struct flight *f = r->flight;
	pthread_mutex_lock(&f->lock);
	f->upload_stopped = f->upload_wanted = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

/* The request body on its way to the origin: a bounded pipe between one client thread and the engine, under the
 * flight's lock. */
#include "fetch/flight_internal.h"

ssize_t flight_upload_take(struct flight *f, char *bytes, size_t n)
{
	ssize_t got;
	pthread_mutex_lock(&f->lock);
	f->upload_wanted = true;
	if (f->upload.len > 0) {
		got = (ssize_t)(n < f->upload.len ? n : f->upload.len);
		memcpy(bytes, f->upload.data, (size_t)got);
		buf_consume(&f->upload, (size_t)got);
	} else if (f->upload_broken) {
		got = ENGINE_UPLOAD_ABORT;
	} else if (f->upload_ended) {
		got = 0;
	} else {
		f->upload_waiting = true;
		got = ENGINE_UPLOAD_WAIT;
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return got;
}

/* Under the lock. */
static void wake_engine(struct flight *f)
{
	if (f->upload_waiting && f->fetch != NULL) {
		f->upload_waiting = false;
		engine_resume_upload(f->fetch);
	}
}

bool flight_upload_wanted(struct flight_reader *s)
{
	struct flight *f = s->flight;
	pthread_mutex_lock(&f->lock);
	while (!f->upload_wanted)
		pthread_cond_wait(&f->changed, &f->lock);
	bool wanted = f->state == FLIGHT_ASKING && !f->upload_over;
	pthread_mutex_unlock(&f->lock);
	return wanted;
}

int flight_upload(struct flight_reader *s, const char *bytes, size_t n)
{
	struct flight *f = s->flight;
	pthread_mutex_lock(&f->lock);
	while (n > 0 && !f->upload_over) {
		size_t room = FLIGHT_UPLOAD - f->upload.len;
		if (room == 0) {
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		size_t part = n < room ? n : room;
		if (buf_add(&f->upload, bytes, part) != 0) {
			f->upload_broken = true;
			break;
		}
		bytes += part;
		n -= part;
		wake_engine(f);
	}
	bool over = n > 0;
	pthread_mutex_unlock(&f->lock);
	return over ? -1 : 0;
}

void flight_upload_end(struct flight_reader *s, bool whole)
{
	struct flight *f = s->flight;
	pthread_mutex_lock(&f->lock);
	f->upload_ended = true;
	if (!whole)
		f->upload_broken = true;
	wake_engine(f);
	pthread_mutex_unlock(&f->lock);
}

void flight_upload_stop(struct flight_reader *s)
{
	struct flight *f = s->flight;
	pthread_mutex_lock(&f->lock);
	f->upload_over = f->upload_wanted = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

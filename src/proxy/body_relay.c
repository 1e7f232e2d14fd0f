/*
 * The lock protects `over` and `whole`. The second thread sets them once, as its last action, and body_relay_end()
 * frees the struct after that: so the struct may be used by the second thread until it unlocks, and never afterwards.
 *
 * The second thread may wait for three things, and body_relay_end() ends each wait: for the client (stop_fd becomes
 * readable), for room in the flight's pipe, and for the origin to want the body (both by flight_upload_stop()).
 */
#include "proxy/body_relay.h"

#include "net/threadpool.h"
#include "proxy/request_body.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct body_relay {
	struct work work;
	struct exchange *x;
	struct flight_reader *reader;
	bool expects;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool over;
	bool whole; /* the body was read to its end, so the next request follows on the connection */
};

/* Passes the body on, to its end. True when it was complete. */
static bool pump(struct exchange *x, struct flight_reader *reader)
{
	struct span data;
	for (;;) {
		enum request_body_step step = request_body_next(x->body, &data);
		switch (step) {
		case REQUEST_BODY_DATA:
			if (flight_upload_write(reader, data.at, data.len) != 0)
				return false;
			break;
		case REQUEST_BODY_END:
			flight_upload_end(reader, true);
			return true;
		case REQUEST_BODY_BAD:
		case REQUEST_BODY_LATE:
			/* Set before the flight fails: the thread that waits for the flight reads it then. */
			x->bad_body = step == REQUEST_BODY_LATE ? 408 : 400;
			flight_upload_end(reader, false);
			return false;
		}
	}
}

static void run(struct work *work)
{
	struct body_relay *u = (struct body_relay *)(void *)work; /* the first member */
	bool whole = false;
	if (!u->expects || flight_upload_wanted(u->reader)) {
		if (u->expects)
			u->x->sink->go_on(u->x->sink);
		whole = pump(u->x, u->reader);
	}
	pthread_mutex_lock(&u->lock);
	u->over = true;
	u->whole = whole;
	pthread_cond_signal(&u->done);
	pthread_mutex_unlock(&u->lock);
}

struct body_relay *body_relay_begin(struct exchange *x, struct flight_reader *reader, bool expects)
{
	if (!expects && request_body_is_here(x->body)) {
		x->close = !pump(x, reader) || x->close;
		return NULL;
	}
	struct body_relay *u = calloc(1, sizeof *u);
	if (u != NULL) {
		u->work.run = run;
		u->x = x;
		u->reader = reader;
		u->expects = expects;
		x->body->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		pthread_mutex_init(&u->lock, NULL);
		pthread_cond_init(&u->done, NULL);
		if (x->body->stop_fd >= 0 && threadpool_run_now(x->context->threadpool, &u->work))
			return u;
		close(x->body->stop_fd);
		pthread_mutex_destroy(&u->lock);
		pthread_cond_destroy(&u->done);
		free(u);
	}
	/* No memory or no thread: the upload fails, and so does the request. */
	flight_upload_end(reader, false);
	x->close = true;
	return NULL;
}

void body_relay_end(struct body_relay *u)
{
	if (u == NULL)
		return;
	pthread_mutex_lock(&u->lock);
	if (!u->over) { /* the origin has responded before the body ended: nobody wants the rest */
		flight_upload_stop(u->reader);
		/* Not shutdown(): bytes that arrive after it would reset the connection, and with it our response. */
		eventfd_write(u->x->body->stop_fd, 1);
	}
	while (!u->over)
		pthread_cond_wait(&u->done, &u->lock);
	u->x->close = !u->whole || u->x->close;
	pthread_mutex_unlock(&u->lock);
	close(u->x->body->stop_fd);
	pthread_mutex_destroy(&u->lock);
	pthread_cond_destroy(&u->done);
	free(u);
}

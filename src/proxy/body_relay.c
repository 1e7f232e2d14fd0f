#include "proxy/body_relay.h"

#include "proxy/request_body.h"
#include "net/threadpool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct upload {
	struct work work;
	struct exchange *x;
	struct seat *seat;
	bool expects;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool over;
	bool whole; /* the body was read to its end: the connection may go on */
};

/* Reads the body through. True when it was whole. */
static bool pump(struct exchange *x, struct seat *seat)
{
	struct span data;
	for (;;) {
		enum intake_step step = intake_next(x->body, &data);
		switch (step) {
		case INTAKE_DATA:
			if (flight_upload(seat, data.at, data.len) != 0)
				return false;
			break;
		case INTAKE_END:
			flight_upload_end(seat, true);
			return true;
		case INTAKE_BAD:
		case INTAKE_LATE:
			x->bad_body = step == INTAKE_LATE ? 408 : 400; /* before the flight fails, so that who waits for it sees this */
			flight_upload_end(seat, false);
			return false;
		}
	}
}

static void run(struct work *work)
{
	struct upload *u = (struct upload *)(void *)work; /* the first member */
	bool whole = false;
	if (!u->expects || flight_upload_wanted(u->seat)) {
		if (u->expects)
			u->x->sink->go_on(u->x->sink);
		whole = pump(u->x, u->seat);
	}
	pthread_mutex_lock(&u->lock);
	u->over = true;
	u->whole = whole;
	pthread_cond_signal(&u->done);
	pthread_mutex_unlock(&u->lock);
}

struct upload *upload_begin(struct exchange *x, struct seat *seat, bool expects)
{
	if (!expects && intake_is_here(x->body)) {
		x->close = !pump(x, seat) || x->close;
		return NULL;
	}
	struct upload *u = calloc(1, sizeof *u);
	if (u != NULL) {
		u->work.run = run;
		u->x = x;
		u->seat = seat;
		u->expects = expects;
		x->body->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		pthread_mutex_init(&u->lock, NULL);
		pthread_cond_init(&u->done, NULL);
		if (x->body->stop_fd >= 0 && workers_run_now(x->service->workers, &u->work))
			return u;
		close(x->body->stop_fd);
		pthread_mutex_destroy(&u->lock);
		pthread_cond_destroy(&u->done);
		free(u);
	}
	flight_upload_end(seat, false);
	x->close = true;
	return NULL;
}

void upload_end(struct upload *u)
{
	if (u == NULL)
		return;
	pthread_mutex_lock(&u->lock);
	if (!u->over) { /* answered before the body was through: nobody wants the rest */
		flight_upload_stop(u->seat);
		eventfd_write(u->x->body->stop_fd, 1); /* not shutdown(): what still comes would reset our answer */
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

#include "body/disk.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct disk {
	pthread_t thread;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t wake;
	struct disk_job *first, **tail;
	bool waiting, stopping;
};

static void *run(void *arg)
{
	struct disk *d = arg;
	pthread_mutex_lock(&d->mutex);
	for (;;) {
		struct disk_job *job = d->first;
		if (job != NULL) {
			if ((d->first = job->next) == NULL)
				d->tail = &d->first;
			pthread_mutex_unlock(&d->mutex);
			job->run(job);
			pthread_mutex_lock(&d->mutex);
		} else if (d->stopping) {
			break;
		} else {
			d->waiting = true;
			pthread_cond_wait(&d->wake, &d->mutex);
			d->waiting = false;
		}
	}
	pthread_mutex_unlock(&d->mutex);
	return NULL;
}

struct disk *disk_start(void)
{
	struct disk *d = calloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	d->tail = &d->first;
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->wake, NULL);
	if (thread_start(&d->thread, "disk", run, d) != 0) {
		pthread_cond_destroy(&d->wake);
		pthread_mutex_destroy(&d->mutex);
		free(d);
		return NULL;
	}
	return d;
}

void disk_stop(struct disk *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->mutex);
	d->stopping = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->mutex);
	pthread_join(d->thread, NULL);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->mutex);
	free(d);
}

void disk_queue(struct disk *d, struct disk_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&d->mutex);
	*d->tail = job;
	d->tail = &job->next;
	bool wake = d->waiting;
	pthread_mutex_unlock(&d->mutex);
	if (wake)
		pthread_cond_signal(&d->wake);
}

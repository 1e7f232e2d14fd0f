/* loop_internal: what loop.c (the loop), loop_conns.c (hand-over) and loop_ready.c (answers from `hot`) share. */
#ifndef CURLEW_SERVER_LOOP_INTERNAL_H
#define CURLEW_SERVER_LOOP_INTERNAL_H

#include "http/request_scan.h"
#include "proxy/ramcache.h"
#include "server/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { LOOP_GOOD_HOSTS = 8, LOOP_HOST_BYTES = 128, LOOP_LISTED = 4096 };

struct loop {
	struct loops *loops;
	pthread_t thread;
	bool started;
	int epoll_fd, wake_fd;
	struct change_counter *watch;

	pthread_mutex_t lock; /* conns and each conn's busy */
	struct conn *conns;
	size_t conn_count;

	/* the loop's thread only */
	int64_t rules;  /* the generation of the rules, as of the same look */
	int64_t edits;  /* the edit counter at this wake-up; -1: the index cannot be asked */
	int64_t now;    /* Unix seconds at this wake-up */
	int64_t now_ms; /* monotonic */
	bool deaf; /* the listeners are out of the epoll set: draining, or out of descriptors until the next tick */
	char good_hosts[LOOP_GOOD_HOSTS][LOOP_HOST_BYTES]; /* Host values found to be ours */
	size_t good_host_next;
	struct ramcache_entry *listed[LOOP_LISTED]; /* whose hits this loop will tell */
	size_t listed_count;
	int64_t requests, bytes; /* counted here, added to stats once a wake-up */
};

struct loops {
	struct loops_config config;
	struct loop *all;
	size_t count;
	atomic_size_t next;
	atomic_bool draining;
	atomic_bool ending;
	int64_t round; /* of looks at the connections; the first loop's thread only */
};

int64_t clock_ms(void);
/* A new connection for this loop. Takes fd. admin: it came by --admin-listen. */
void loop_adopt(struct loop *, int fd, const struct sockaddr_storage *peer, bool admin);
/* Gives a connection with what it has received to a worker; it is out of the epoll set afterwards. */
void loop_hand_over(struct loop *, struct conn *, struct span received);
/* Puts a connection that is the caller's back into its loop's epoll set: it is the loop's again. */
void loop_take_back(struct conn *);
/* No thread is free for the connection's request: 503. The connection is the caller's before and its loop's afterwards.
 */
void loop_refuse(struct conn *);
/* Once a second, on the first loop's thread: too few threads (loop_shortage.c). */
void loop_shortage(struct loops *);
/* Ends a connection that the loop has. */
void loop_close(struct loop *, struct conn *);

enum loop_hit_outcome {
	LOOP_HIT_SENT,   /* answered; go on behind the head */
	LOOP_HIT_NOT,    /* a worker must answer */
	LOOP_HIT_PARTLY, /* answered, but a worker must send conn->rest */
	LOOP_HIT_GONE    /* the client is gone */
};
enum loop_hit_outcome loop_hit_answer(struct loop *, struct conn *, const struct request_scan *, struct span head);
/* Tells the store of the hits, once in a while. */
void loop_hit_tell(struct loop *);

#endif

/* lane_internal: what lane.c (the loop), lane_conns.c (hand-over) and lane_ready.c (answers from `hot`) share. */
#ifndef CURLEW_SERVER_LOOP_INTERNAL_H
#define CURLEW_SERVER_LOOP_INTERNAL_H

#include "http/request_scan.h"
#include "proxy/ramcache.h"
#include "server/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { LANE_GOOD_HOSTS = 8, LANE_HOST_BYTES = 128, LANE_LISTED = 4096 };

struct lane {
	struct lanes *lanes;
	pthread_t thread;
	bool started;
	int epoll_fd, wake_fd;
	struct store_watch *watch;

	pthread_mutex_t lock; /* conns and each conn's busy */
	struct conn *conns;
	size_t conn_count;

	/* the lane's thread only */
	int64_t rules; /* the generation of the rules, as of the same look */
	int64_t edits; /* the edit counter at this wake-up; -1: the index cannot be asked */
	int64_t now;   /* Unix seconds at this wake-up */
	int64_t now_ms; /* monotonic */
	bool deaf; /* the listeners are out of the epoll set: draining, or out of descriptors until the next tick */
	char good_hosts[LANE_GOOD_HOSTS][LANE_HOST_BYTES]; /* Host values found to be ours */
	size_t good_host_next;
	struct hot_object *listed[LANE_LISTED]; /* whose hits this lane will tell */
	size_t listed_count;
	int64_t requests, bytes; /* counted here, added to stats once a wake-up */
};

struct lanes {
	struct lanes_config config;
	struct lane *all;
	size_t count;
	atomic_size_t next;
	atomic_bool draining;
	atomic_bool ending;
	int64_t round; /* of looks at the connections; the first lane's thread only */
};

int64_t lane_clock_ms(void);
/* A new connection for this lane. Takes fd. admin: it came by --admin-listen. */
void lane_adopt(struct lane *, int fd, const struct sockaddr_storage *peer, bool admin);
/* Gives a connection with what it has received to a worker; it is out of the epoll set afterwards. */
void lane_hand_over(struct lane *, struct conn *, struct span received);
/* Puts a connection that is the caller's back into its lane's epoll set: it is the lane's again. */
void lane_take_back(struct conn *);
/* No thread is free for the connection's request: 503. The connection is the caller's before and its lane's afterwards. */
void lane_refuse(struct conn *);
/* Once a second, on the first lane's thread: too few threads (lane_shortage.c). */
void lane_shortage(struct lanes *);
/* Ends a connection that the lane has. */
void lane_close(struct lane *, struct conn *);

enum ready_outcome {
	READY_SENT,   /* answered; go on behind the head */
	READY_NOT,    /* a worker must answer */
	READY_PARTLY, /* answered, but a worker must send conn->rest */
	READY_GONE    /* the client is gone */
};
enum ready_outcome ready_answer(struct lane *, struct conn *, const struct glance *, struct span head);
/* Tells the store of the hits, once in a while. */
void ready_tell(struct lane *);

#endif

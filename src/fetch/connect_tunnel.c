/*
 * A transfer that only connects, with the engine's resolver, address check, upstream proxy and time limits. The socket
 * is a duplicate: libcurl closes its own with the transfer. TLS, if it is wanted, begins afterwards on the caller's
 * thread.
 *
 * struct connecting is on the stack of the calling thread, which waits until on_done() has run. Its lock guards all of
 * it; on_done() is the last to use it from the engine's thread.
 */
#include "fetch/connect_tunnel.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct connecting {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool over;
	int fd;
	enum engine_outcome outcome;
	char *message; /* of 256 bytes */
};

/* On the engine's thread. Signals under the lock: once the caller sees `over`, its stack is gone. */
static void on_done(void *ctx, const struct engine_end *end)
{
	struct connecting *c = ctx;
	pthread_mutex_lock(&c->lock);
	c->fd = end->fd;
	c->outcome = end->fd < 0 && end->outcome == ENGINE_OK ? ENGINE_NO_MEMORY : end->outcome;
	snprintf(c->message, 256, "%s", end->message);
	c->over = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* A connected socket, or -1. */
static int connect_socket(
    struct engine *e, const struct connect_tunnel_to *to, enum engine_outcome *outcome, char message[256])
{
	static const struct fetch_ops ops = {.done = on_done};
	struct connecting c = {.fd = -1, .outcome = ENGINE_NO_MEMORY, .message = message};
	char url[600];
	snprintf(url, sizeof url, "http://%s:%d/", to->host, to->port);
	snprintf(message, 256, "out of memory");
	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.changed, NULL);
	struct fetch_spec spec = {
	    .method = "CONNECT", .url = url, .upload_bytes = ENGINE_NO_UPLOAD, .trusted = to->trusted, .tunnel = true};
	if (engine_start(e, &spec, &ops, &c) != NULL) {
		pthread_mutex_lock(&c.lock);
		while (!c.over)
			pthread_cond_wait(&c.changed, &c.lock);
		pthread_mutex_unlock(&c.lock);
	}
	pthread_mutex_destroy(&c.lock);
	pthread_cond_destroy(&c.changed);
	*outcome = c.outcome;
	return c.fd;
}

int connect_tunnel(struct engine *e, const struct connect_tunnel_to *to, struct tunnel_end *end,
    enum engine_outcome *outcome, char message[256])
{
	char host[256];
	size_t n = strlen(to->host);
	*end = tunnel_end_of(connect_socket(e, to, outcome, message));
	if (end->fd < 0)
		return -1;
	if (!to->secure)
		return 0;
	bool bracketed = n > 1 && to->host[0] == '[';
	snprintf(host, sizeof host, "%.*s", (int)(bracketed ? n - 2 : n), to->host + bracketed);
	if (tunnel_end_secure(end, host, to->cacert, to->limit_ms, message) == 0)
		return 0;
	*outcome = ENGINE_TLS;
	tunnel_end_close(end);
	return -1;
}

/* A loop's answer from `hot`: found, fresh, proved under the current edit counter, sent without waiting. */
#include "server/loop_internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "proxy/server_names.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Only requests by prefix must name us (server_names.h); the answer for a Host value is remembered. */
static bool host_is_good(struct loop *l, const struct conn *c, const struct request_scan *g)
{
	const struct context *s = l->loops->config.context;
	if (s->origin != NULL || g->target.at[0] != '/')
		return true;
	if (g->browser || g->host.len >= LOOP_HOST_BYTES)
		return false;
	for (size_t i = 0; i < LOOP_GOOD_HOSTS; i++)
		if (l->good_hosts[i][0] != '\0' && span_is(g->host, l->good_hosts[i]))
			return true;
	if (g->host.len == 0 || !server_name_is_ours(s->conf, g->host, c->fd))
		return false;
	char *keep = l->good_hosts[l->good_host_next++ % LOOP_GOOD_HOSTS];
	memcpy(keep, g->host.at, g->host.len);
	keep[g->host.len] = '\0';
	return true;
}

/* Not when the clock has gone back since it was fetched. */
static bool is_fresh(const struct loop *l, const struct entry *e)
{
	return l->now < e->ready_until && !policy_is_dated_ahead(e->fetched_at, l->now);
}

/* True when the row behind the object still says what the object says. */
static bool is_proved(struct loop *l, struct ramcache_entry *o)
{
	if (l->edits < 0 || o->entry->rules != l->rules)
		return false;
	if (atomic_load_explicit(&o->proved_edits, memory_order_acquire) == l->edits)
		return true;
	if (change_counter_confirm(l->watch, o->entry) != INDEX_FOUND)
		return false;
	atomic_store_explicit(&o->proved_edits, l->edits, memory_order_release);
	return true;
}

static void note_hit(struct loop *l, struct ramcache_entry *o)
{
	atomic_fetch_add_explicit(&o->hits, 1, memory_order_relaxed);
	atomic_store_explicit(&o->used_at, l->now, memory_order_relaxed);
	if (atomic_load_explicit(&o->listed, memory_order_relaxed) ||
	    atomic_exchange_explicit(&o->listed, true, memory_order_relaxed))
		return;
	if (l->listed_count == LOOP_LISTED)
		loop_hit_tell(l);
	atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
	l->listed[l->listed_count++] = o;
}

void loop_hit_tell(struct loop *l)
{
	for (size_t i = 0; i < l->listed_count; i++) {
		struct ramcache_entry *o = l->listed[i];
		atomic_store_explicit(&o->listed, false, memory_order_relaxed);
		int64_t hits = atomic_exchange_explicit(&o->hits, 0, memory_order_relaxed);
		if (hits > 0)
			store_used(l->loops->config.context->store, o->entry->id, hits,
			    atomic_load_explicit(&o->used_at, memory_order_relaxed));
		ramcache_drop(o);
	}
	l->listed_count = 0;
}

/* What the socket would not take at once is kept for a worker. */
static enum loop_hit_outcome keep_rest(struct conn *c, const struct iovec iov[3], size_t sent)
{
	size_t total = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
	c->rest = malloc(total - sent);
	if (c->rest == NULL)
		return LOOP_HIT_GONE;
	c->rest_bytes = 0;
	for (int i = 0; i < 3; i++) {
		size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;
		sent -= skip;
		memcpy(c->rest + c->rest_bytes, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip);
		c->rest_bytes += iov[i].iov_len - skip;
	}
	return LOOP_HIT_PARTLY;
}

static enum loop_hit_outcome send_ready(struct loop *l, struct conn *c, const struct ramcache_entry *o, bool head)
{
	char tail[RESPONSE_HEAD_HIT_LINES + 2];
	const struct entry *e = o->entry;
	int64_t age = e->initial_age_s + (l->now > e->fetched_at ? l->now - e->fetched_at : 0);
	size_t n = response_head_write_hit(tail, age, e->ready_until - l->now, e->ready_rule);
	tail[n++] = '\r';
	tail[n++] = '\n';
	struct iovec iov[3] = {
	    {o->text, o->head_bytes}, {tail, n}, {o->text + o->head_bytes, head ? 0 : o->body_bytes}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = head || o->body_bytes == 0 ? 2 : 3};
	size_t total = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
	ssize_t sent;
	do
		sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN)
		return LOOP_HIT_GONE;
	l->bytes += head ? 0 : (int64_t)o->body_bytes;
	if (sent >= 0 && (size_t)sent == total)
		return LOOP_HIT_SENT;
	return keep_rest(c, iov, sent < 0 ? 0 : (size_t)sent);
}

static void log_ready(const struct loop *l, const struct conn *c, const struct ramcache_entry *o,
    const struct request_scan *g, struct span bytes)
{
	struct head h;
	struct fault fault;
	char client[CONN_PEER];
	message_init(&h);
	if (message_parse_request(&h, bytes, &fault) == MESSAGE_WHOLE) {
		conn_peer(c, client);
		struct log_access a = {
		    .client = span_of(client),
		    .request_line = message_request_line(&h),
		    .referer = message_find(&h, "Referer"),
		    .user_agent = message_find(&h, "User-Agent"),
		    .status = o->entry->status,
		    .body_bytes = g->head ? 0 : (int64_t)o->body_bytes,
		    .verdict = span_of("hit"),
		    .took_us = (clock_ms() - l->now_ms) * 1000,
		};
		log_access(&a, l->now);
	}
	message_fini(&h);
}

enum loop_hit_outcome loop_hit_answer(struct loop *l, struct conn *c, const struct request_scan *g, struct span head)
{
	struct ramcache *ramcache = l->loops->config.context->ramcache;
	if (c->admin)
		return LOOP_HIT_NOT;
	struct ramcache_entry *o = ramcache_find(ramcache, g->target);
	enum loop_hit_outcome outcome = LOOP_HIT_NOT;
	if (o == NULL)
		return LOOP_HIT_NOT;
	if (is_fresh(l, o->entry) && host_is_good(l, c, g)) {
		if (is_proved(l, o)) {
			note_hit(l, o);
			outcome = send_ready(l, c, o, g->head);
			l->requests++;
			if (log_access_wanted())
				log_ready(l, c, o, g, head);
		} else {
			ramcache_remove(ramcache, o);
		}
	}
	ramcache_drop(o);
	return outcome;
}

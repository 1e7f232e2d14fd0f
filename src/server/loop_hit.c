/*
 * How an entry is confirmed. Every entry remembers the value of the change counter under which it was last confirmed
 * against its row. The loop has read the counter at this wake-up, after it received the request. If the two are equal,
 * nobody has changed anything that a response depends on. If they differ, the row is looked up once, and the entry then
 * remembers the new value; an entry whose row has changed is removed.
 *
 * How hits are counted. Each loop counts those that it sends, by row, in a small hash table of its own. It reports them
 * once a second, or when the table is half full.
 */
#include "server/loop_hit.h"

#include "base/log.h"
#include "base/stats.h"
#include "http/policy_freshness.h"
#include "http/response_head.h"
#include "net/client_limits.h"
#include "proxy/options.h"
#include "proxy/ramcache.h"
#include "proxy/server_names.h"
#include "proxy/site_target.h"
#include "server/loop_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { TAIL_BYTES = RESPONSE_HEAD_HIT_LINES + sizeof "Connection: keep-alive\r\n\r\n" };

/* Requests by prefix must name this server in Host (server_names.h); the values that do are remembered, because finding
 * out costs system calls. */
static bool host_is_good(struct loop *l, const struct conn *c, const struct request_scan *scan)
{
	const struct context *context = l->set->config.context;
	if (context->origin != NULL || context->sites != NULL || scan->target.at[0] != '/')
		return true;
	if (scan->browser || scan->host.len >= LOOP_HOST_BYTES)
		return false;
	if (scan->host.at == NULL) /* HTTP/1.0 */
		return true;
	for (size_t i = 0; i < LOOP_GOOD_HOSTS; i++)
		if (l->good_hosts[i][0] != '\0' && span_is(scan->host, l->good_hosts[i]))
			return true;
	if (scan->host.len == 0 || !server_names_include(l->options->conf, scan->host, c->fd))
		return false;
	char *keep = l->good_hosts[l->good_host_next++ % LOOP_GOOD_HOSTS];
	memcpy(keep, scan->host.at, scan->host.len);
	keep[scan->host.len] = '\0';
	return true;
}

/* With named sites: adds what decides the site. What a trusted front says is in fields that the scan did not keep.
 * False: not found. */
static bool add_site(const struct loop *l, const struct conn *c, const struct request_scan *scan, struct span bytes,
    struct ramcache_key *key)
{
	struct head h;
	struct fault fault;
	struct client client;
	key->site = scan->host;
	if (!scan->proxied || scan->target.at[0] != '/')
		return scan->host.len > 0 && scan->target.at[0] == '/';
	message_init(&h);
	bool whole = message_parse_request(&h, bytes, &fault) == MESSAGE_WHOLE;
	if (whole) {
		client_read(l->options->fronts, c, &h, &client);
		site_target_host(&h, &client, &key->site, &key->secure); /* borrows from bytes, not from h */
	}
	message_fini(&h);
	return whole && key->site.len > 0;
}

/* An entry that was fetched in the future is not used: the clock has gone back since, and its age is unknown. */
static bool is_fresh(const struct loop *l, const struct entry *e)
{
	return l->now < e->ready_until && !policy_freshness_is_dated_ahead(e->fetched_at, l->now);
}

/* True when the entry's row still says what the entry says. */
static bool is_confirmed(struct loop *l, struct ramcache_entry *o)
{
	if (l->edits < 0 || o->entry->rules != l->rules)
		return false;
	if (atomic_load_explicit(&o->confirmed_edits, memory_order_acquire) == l->edits)
		return true;
	if (change_counter_confirm(l->changes, o->entry) != INDEX_FOUND)
		return false;
	/* Loops may confirm the same entry at the same time, under different values. Each value was true when it was
	 * written; at worst the next loop confirms the entry once more. */
	atomic_store_explicit(&o->confirmed_edits, l->edits, memory_order_release);
	return true;
}

static void note_hit(struct loop *l, int64_t id)
{
	if (l->counted == LOOP_COUNTS / 2)
		loop_hit_report(l);
	size_t at = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 32) % LOOP_COUNTS;
	while (l->counts[at].hits > 0 && l->counts[at].id != id)
		at = (at + 1) % LOOP_COUNTS;
	struct loop_count *count = &l->counts[at];
	if (count->hits++ == 0) {
		count->id = id;
		l->counted++;
	}
	count->used_at = l->now;
}

void loop_hit_report(struct loop *l)
{
	for (size_t i = 0; l->counted > 0 && i < LOOP_COUNTS; i++) {
		struct loop_count *count = &l->counts[i];
		if (count->hits == 0)
			continue;
		store_used(l->set->config.context->store, count->id, count->hits, count->used_at);
		count->hits = 0;
		l->counted--;
	}
}

/* Leaves what the socket did not accept to a pool thread, because the loop cannot wait for the client: of the head a
 * copy, and the body as it is, which its owner keeps even if the entry is removed. */
static enum loop_hit_outcome keep_rest(
    struct conn *c, struct shared_bytes *text, const struct iovec iov[3], size_t sent)
{
	size_t head_bytes = iov[0].iov_len + iov[1].iov_len;
	size_t body_sent = sent > head_bytes ? sent - head_bytes : 0;
	c->rest = malloc(head_bytes); /* not NULL also if the head was sent: a response was begun */
	if (c->rest == NULL)
		return LOOP_HIT_GONE;
	memcpy(c->rest, iov[0].iov_base, iov[0].iov_len);
	memcpy(c->rest + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
	c->rest_bytes = head_bytes - (sent - body_sent);
	memmove(c->rest, c->rest + sent - body_sent, c->rest_bytes);
	if (iov[2].iov_len > body_sent) {
		c->rest_owner = shared_bytes_keep(text);
		c->rest_body = span_make((const char *)iov[2].iov_base + body_sent, iov[2].iov_len - body_sent);
	}
	return LOOP_HIT_PARTLY;
}

/* Writes the end of the head: the lines that differ from response to response, and the empty line. Returns its length.
 */
static size_t write_tail(
    char tail[TAIL_BYTES], const struct loop *l, const struct entry *e, const struct request_scan *scan, bool keeps)
{
	static const char close[] = "Connection: close\r\n", keep_alive[] = "Connection: keep-alive\r\n";
	int64_t age = e->initial_age_s + (l->now > e->fetched_at ? l->now - e->fetched_at : 0);
	size_t n = response_head_write_hit(tail, age, e->ready_until - l->now, e->ready_rule);
	const char *line = !keeps ? close : scan->minor == 0 ? keep_alive : "";
	size_t line_bytes = strlen(line);
	memcpy(tail + n, line, line_bytes);
	memcpy(tail + n + line_bytes, "\r\n", 2);
	return n + line_bytes + 2;
}

/* One sendmsg(): the stored head, the lines that differ from response to response, and the body. */
static enum loop_hit_outcome send_hit(
    struct loop *l, struct conn *c, const struct ramcache_entry *o, const struct request_scan *scan, bool keeps)
{
	char tail[TAIL_BYTES];
	bool head = scan->head;
	size_t n = write_tail(tail, l, o->entry, scan, keeps);
	struct iovec iov[3] = {
	    {o->text->at, o->head_bytes}, {tail, n}, {o->text->at + o->head_bytes, head ? 0 : o->body_bytes}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = head || o->body_bytes == 0 ? 2 : 3};
	size_t total = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
	ssize_t sent;
	/* MSG_MORE: the end of the connection follows at once, and leaves in the same packet. */
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (keeps ? 0 : MSG_MORE);
	do
		sent = sendmsg(c->fd, &m, flags);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN)
		return LOOP_HIT_GONE;
	l->bytes += head ? 0 : (int64_t)o->body_bytes;
	if (c->checks & CONN_CHECK_LIMITS)
		client_limit_sent(c->limit, l->options->limits.bandwidth, total, l->now_ms);
	if (sent >= 0 && (size_t)sent == total)
		return keeps ? LOOP_HIT_SENT : LOOP_HIT_LAST;
	c->last = !keeps;
	return keep_rest(c, o->text, iov, sent < 0 ? 0 : (size_t)sent);
}

enum loop_hit_outcome loop_hit_respond(
    struct loop *l, struct conn *c, const struct request_scan *scan, struct span bytes, bool keeps)
{
	struct ramcache *ramcache = l->set->config.context->ramcache;
	if (c->admin)
		return LOOP_HIT_NOT;
	struct ramcache_key key = {.target = scan->target};
	enum loop_hit_outcome outcome = LOOP_HIT_NOT;
	if (l->set->config.context->sites != NULL && !add_site(l, c, scan, bytes, &key))
		return LOOP_HIT_NOT;
	struct ramcache_entry *o = ramcache_find(ramcache, &key);
	if (o == NULL || o->options != l->options) /* the site may be gone, or the response has other fields now */
		return LOOP_HIT_NOT;
	if (is_fresh(l, o->entry) && !(o->encodes && scan->codes) && host_is_good(l, c, scan)) {
		if (is_confirmed(l, o)) {
			note_hit(l, o->entry->id);
			outcome = send_hit(l, c, o, scan, keeps);
			l->requests++;
			if (log_access_wanted()) {
				const struct loop_log line = {.status = o->entry->status,
				    .body_bytes = scan->head ? 0 : (int64_t)o->body_bytes,
				    .verdict = "hit",
				    .took_us = (loop_clock_ms() - l->now_ms) * 1000};
				loop_log_request(c, bytes, &line, l->now);
			}
		} else {
			ramcache_remove(ramcache, o);
		}
	}
	return outcome;
}

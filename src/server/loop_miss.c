/*
 * The order in a wake-up (loop.c): a turn of the engine delivers what has arrived, and notify() puts the connections
 * concerned on the list `ready`. They are answered after the change counter was read. Then new requests begin, whose
 * fetches the engine starts in a second turn. So ten responses and ten new requests cost two turns.
 */
#include "server/loop_miss.h"

#include "fetch/flight_engine.h"
#include "proxy/exchange_run.h"
#include "server/loop_conns.h"
#include "server/loop_handover.h"

#include <sys/epoll.h>

/* More fetches than this one loop does not lead: beyond them, requests wait for a thread, in turn with other clients.
 */
enum { WAITING_MOST = 1024 };

/* On the loop's thread, within a turn of its engine. */
static void notify(void *ctx)
{
	struct conn *c = ctx;
	struct loop *l = c->loop;
	if (c->is_ready)
		return;
	c->is_ready = true;
	c->next_ready = l->ready;
	l->ready = c;
}

int loop_miss_init(struct loop *l, struct buf *why)
{
	const struct context *context = l->set->config.context;
	l->engine = flight_engine_new(context->flights, why);
	if (l->engine == NULL)
		return -1;
	l->exchange = (struct exchange_loop){.engine = l->engine, .notify = notify};
	l->engine_due_ms = INT64_MAX;
	/* An upstream proxy's name would have to be looked up, and its connection made, before anything else. */
	l->leads = conf_text(context->conf, "proxy") == NULL && !context->offline;
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = LOOP_TAG_ENGINE};
	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, engine_fd(l->engine->engine), &ev);
}

void loop_miss_fini(struct loop *l)
{
	flight_engine_free(l->engine);
}

bool loop_miss_is_for_loop(const struct loop *l, const struct conn *c, const struct request_scan *scan)
{
	static const char secure[] = "https:";
	struct span target = scan->target;
	if (target.len > 0 && target.at[0] == '/')
		target = span_from(target, 1);
	return l->leads && !c->admin && !scan->head && !scan->browser && l->waiting < WAITING_MOST &&
	       !span_starts_nocase(target, secure) && !atomic_load_explicit(&l->set->draining, memory_order_relaxed);
}

/* The exchange is over. True: more bytes of the connection are to be responded to. */
static bool end(struct loop *l, struct conn *c)
{
	bool keep = exchange_run_end(c);
	c->since_ms = l->now_ms; /* a head that has begun gets its time from here on, as an idle connection does */
	if (c->rest != NULL)
		loop_handover_to_pool(l, c, buf_span(&c->in));
	else if (!keep)
		loop_conns_end(l, c, false);
	else if (c->in.len > 0) {
		return true;
	} else {
		buf_fini(&c->in); /* an idle connection holds no memory */
	}
	return false;
}

bool loop_miss_begin(struct loop *l, struct conn *c)
{
	switch (exchange_run_begin(c, &l->exchange)) {
	case EXCHANGE_BEGUN_OVER:
		return end(l, c);
	case EXCHANGE_BEGUN_WAITS:
		l->waiting++;
		return false;
	case EXCHANGE_BEGUN_FOR_POOL:
		break;
	}
	loop_handover_to_pool(l, c, buf_span(&c->in));
	return false;
}

void loop_miss_turn(struct loop *l, bool is_ready)
{
	if (!is_ready && !engine_has_command(l->engine->engine) && l->engine_due_ms > loop_clock_ms())
		return;
	engine_turn(l->engine->engine, 0);
	int wait_ms = engine_wait_ms(l->engine->engine);
	l->engine_due_ms = wait_ms < 0 ? INT64_MAX : loop_clock_ms() + wait_ms;
}

int loop_miss_wait_ms(const struct loop *l, int most_ms)
{
	if (l->ready != NULL || engine_has_command(l->engine->engine))
		return 0;
	int64_t left = l->engine_due_ms == INT64_MAX ? most_ms : l->engine_due_ms - loop_clock_ms();
	return left < 0 ? 0 : left < most_ms ? (int)left : most_ms;
}

/* The list is the loop's own, so a connection that leaves the loop must leave it too. */
static void leave_ready(struct loop *l, struct conn *c)
{
	struct conn **at = &l->ready;
	while (c->is_ready && *at != c)
		at = &(*at)->next_ready;
	if (c->is_ready)
		*at = c->next_ready;
	c->is_ready = false;
}

void loop_miss_give_to_pool(struct loop *l, struct conn *c)
{
	l->waiting--;
	leave_ready(l, c);
	exchange_run_leave_loop(c);
	loop_handover_to_pool(l, c, buf_span(&c->in));
}

struct conn *loop_miss_next(struct loop *l)
{
	struct conn *c;
	while ((c = l->ready) != NULL) {
		l->ready = c->next_ready;
		c->is_ready = false;
		switch (exchange_run_progress(c)) {
		case FLIGHT_NOTHING:
			break;
		case FLIGHT_WHOLE:
			l->waiting--;
			if (end(l, c))
				return c;
			break;
		case FLIGHT_GOES_ON:
			loop_miss_give_to_pool(l, c);
			break;
		}
	}
	return NULL;
}

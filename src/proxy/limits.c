#include "proxy/limits.h"

#include "base/clock.h"
#include "base/stats.h"
#include "proxy/health.h"
#include "proxy/synthetic.h"

#include <sys/resource.h>

/* One connection takes a descriptor, and its request may take three more: half of the limit leaves room for those. */
void limits_read(const struct conf *conf, struct limits *l)
{
	struct rlimit files;
	bool known = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY;
	l->connections = conf_given(conf, "max-connections") ? conf_number(conf, "max-connections")
			 : known                             ? (int64_t)(files.rlim_cur / 2)
							     : 0;
	l->connections_of_client = conf_given(conf, "max-connections-per-client")
				       ? conf_number(conf, "max-connections-per-client")
				       : l->connections / 2;
	l->fronts = conf_cidrs(conf, "trust-forwarded");
	l->rate.requests = conf_rate(conf, "rate-per-client", &l->rate.seconds);
	l->bandwidth = conf_number(conf, "bandwidth-per-client");
}

/* A few connections more than the limit are told why they are refused; beyond these, they are closed. */
static bool exceeds(int64_t count, int64_t limit, bool *far)
{
	*far = *far || (limit > 0 && count > limit + 16 + limit / 8);
	return limit > 0 && count > limit;
}

/* Behind a front there are many clients, and those of a PROXY header are counted when it has been read. */
bool limits_count(const struct limits *l, struct conn *c)
{
	bool far = false, front = c->unix_socket || cidr_list_holds(l->fronts, &c->peer);
	enum conn_refusal refusal = CONN_WELCOME;
	if (c->admin)
		return true;
	if (exceeds(stats_get(STATS_CONNECTIONS_OPEN), l->connections, &far))
		refusal = CONN_TOO_MANY;
	if (!(c->checks & CONN_CHECK_HEADER))
		c->limit = client_limits_take(c->context->limits, &c->peer);
	if (c->limit != NULL && !front) {
		c->counted = true;
		if (exceeds(client_limit_connections(c->limit, 1), l->connections_of_client, &far))
			refusal = CONN_TOO_MANY_OF_CLIENT;
	}
	if (refusal != CONN_WELCOME && c->refusal == CONN_WELCOME) {
		c->refusal = refusal;
		c->checks |= CONN_CHECK_REFUSED;
	}
	return !far;
}

void limits_uncount(struct conn *c)
{
	if (c->counted)
		client_limit_connections(c->limit, -1);
	client_limits_drop(c->context->limits, c->limit);
	c->limit = NULL;
}

/* Load balancers must learn that the server is well, whatever their clients do. */
static bool is_counted(const struct limits *l, struct span target)
{
	return l->rate.requests > 0 && !span_is(target, HEALTH_TARGET);
}

bool limits_take_share(
    const struct limits *l, struct conn *c, const struct client *client, struct span target, int64_t now_ms)
{
	if (!limits_rates(l))
		return true;
	/* The client that a front names is looked up by a pool thread. */
	if (client->named || client_limit_wait_ms(c->limit, l->bandwidth, now_ms) > 0 ||
	    (!c->paid && is_counted(l, target) && client_limit_request(c->limit, &l->rate, now_ms) > 0))
		return false;
	c->paid = true;
	return true;
}

bool limits_refuse(const struct limits *l, struct exchange *x, struct conn *c)
{
	int64_t wait_ms =
	    c->paid || !is_counted(l, x->request->target) ? 0 : client_limit_request(x->limit, &l->rate, clock_ms());
	c->paid = true; /* also when an event loop leaves it to a pool thread, which judges it again */
	if (wait_ms == 0)
		return false;
	x->retry_after_s = (int)((wait_ms + 999) / 1000);
	x->verdict = "refused";
	stats_add(STATS_BAD_REQUESTS, 1);
	synthetic_text(x, 429, NULL, "too many requests from this client: try again in %d s (see --rate-per-client)",
	    x->retry_after_s);
	return true;
}

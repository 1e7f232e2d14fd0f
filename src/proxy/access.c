#include "proxy/access.h"

#include "base/log.h"
#include "base/stats.h"
#include "proxy/purge_handler.h"
#include "proxy/synthetic.h"
#include "proxy/users.h"

static bool holds_everybody(const struct cidr_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->nets[i].bits == 0 || (list->nets[i].bits == 96 && cidr_is_v4(&list->nets[i].at)))
			return true;
	return false;
}

/* Such a list is a mistake more often than not, and the options that believe what a client claims make the others void.
 */
static void warn_of_everybody(const struct conf *conf)
{
	static const struct {
		const char *name, *may;
	} lists[] = {
	    {"trust-forwarded", "claim to be any client (name only your own fronts)"},
	    {"proxy-protocol-from", "claim to be any client (name only your own fronts)"},
	    {"admin-from", "see /.curlew/ (name only the machines of those who run this server)"},
	    {"purge-from", "purge (name only the machines that have to)"},
	};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		if (holds_everybody(conf_cidrs(conf, lists[i].name)))
			log_say("--%s: everybody who can connect may %s", lists[i].name, lists[i].may);
}

int access_check_exposure(const struct conf *conf, bool beyond)
{
	bool given = conf_given(conf, "allow-from");
	warn_of_everybody(conf);
	if (conf_given(conf, "origin") && conf_given(conf, "users")) {
		log_say(
		    "--users: a site of --origin knows no users of a proxy (leave one of the two out; the origin can "
		    "demand passwords itself)");
		return -1;
	}
	if (conf_given(conf, "origin"))
		return 0;
	if (beyond && !given) {
		log_say("--listen: other machines could use this proxy to fetch anything (name the clients that may: "
			"--allow-from 192.168.1.0/24, or --allow-from 0.0.0.0/0 for everybody)");
		return -1;
	}
	if (given && holds_everybody(conf_cidrs(conf, "allow-from")))
		log_say("--allow-from: everybody who can connect may use this proxy (name only your own networks)");
	return 0;
}

bool access_allows(const struct options *a, const struct client *client)
{
	if (a->allowed == NULL || client->unix_socket)
		return true;
	return !client->unnamed && cidr_list_holds(a->allowed, &client->at) &&
	       cidr_list_holds(a->allowed, &client->other);
}

bool access_awaits_header(const struct options *a, const struct conn *c)
{
	return cidr_list_holds(a->header_from, &c->peer);
}

/* The requests of a trusted front are judged one by one, by the clients that it names. */
void access_judge(const struct options *a, struct conn *c)
{
	struct client client = {.at = c->peer, .other = c->peer, .unix_socket = c->unix_socket};
	bool front = cidr_list_holds(a->fronts, &c->peer);
	c->options = a;
	if (c->checks & CONN_CHECK_HEADER)
		return;
	c->refusal = c->admin || front || access_allows(a, &client) ? CONN_WELCOME : CONN_NOT_ALLOWED;
	c->checks = c->refusal != CONN_WELCOME ? CONN_CHECK_REFUSED : 0;
	if (front && (a->allowed != NULL || limits_rates(&a->limits)) && !c->admin)
		c->checks |= CONN_CHECK_CLIENT;
	if (a->users != NULL && !c->admin)
		c->checks |= CONN_CHECK_USER;
	if (limits_rates(&a->limits) && !c->admin)
		c->checks |= CONN_CHECK_LIMITS;
}

bool access_needs_user(const struct options *a, const struct client *client, struct span target)
{
	static const char own[] = "/.curlew";
	if (a->users == NULL || span_is(target, "*"))
		return false;
	if (!span_starts(target, "/"))
		return true;
	if (span_starts(target, own) &&
	    (target.len == sizeof own - 1 || strchr("/?", target.at[sizeof own - 1]) != NULL))
		return false;
	return !client_is_local(client);
}

/* True when the request has no right password: 407 was sent (RFC 9110 15.5.8), or a pool thread must check it. PURGE
 * fetches nothing, and --purge-from decides who may send it: a purger is a program without a password. */
static bool lacks_user(struct exchange *x, const struct conn *c, const struct options *a)
{
	struct span credentials = message_find(x->request, "Proxy-Authorization");
	if (purge_is(x) || !access_needs_user(a, &x->client, x->request->target))
		return false;
	enum users_verdict verdict = x->loop != NULL
					 ? users_find(a->users, credentials, &x->user)
					 : users_check(a->users, credentials, c->work.item.client, &x->user);
	switch (verdict) {
	case USERS_RIGHT:
		return false;
	case USERS_WRONG:
		x->verdict = "refused";
		synthetic_text(x, 407, NULL, "%s (give a user and a password of this proxy)",
		    credentials.len > 0 ? "wrong user or password" : "this proxy needs a password");
		return true;
	case USERS_TOO_MANY:
		x->verdict = "refused";
		synthetic_text(x, 503, NULL, "too many passwords are being checked: try again later");
		return true;
	case USERS_UNKNOWN:
		break;
	}
	x->state = EXCHANGE_UNSERVED;
	return true;
}

static void forbid(struct exchange *x)
{
	char client[CONN_PEER];
	struct client refused = x->client;
	if (cidr_list_holds(x->options->allowed, &refused.at))
		refused.at = refused.other; /* Forwarded names another client than X-Forwarded-For */
	client_print(&refused, client);
	x->close = true;
	x->verdict = "refused";
	stats_add(STATS_BAD_REQUESTS, 1);
	synthetic_text(x, 403, NULL, "%s may not use this server (it is not in --allow-from)",
	    x->client.unnamed ? "a client without an address" : client);
}

bool access_refuses(struct exchange *x, struct conn *c)
{
	const struct options *a = x->options;
	if (c->admin)
		return false;
	if (!access_allows(a, &x->client)) {
		forbid(x);
		return true;
	}
	return limits_refuse(&a->limits, x, c) || lacks_user(x, c, a);
}

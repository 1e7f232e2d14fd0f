#include "server/loop_admit.h"

#include "base/log.h"
#include "proxy/access.h"
#include "proxy/users.h"
#include "server/loop_conns.h"
#include "server/loop_refuse.h"

#include <stdio.h>

static void report(const struct conn *c, const char *what)
{
	char peer[CONN_PEER];
	conn_peer(c, peer);
	log_trouble("proxy-protocol", "%s: a connection was closed: %s (check --proxy-protocol-from and the front)",
	    peer, what);
}

void loop_admit_late(const struct conn *c)
{
	report(c, "its PROXY header did not arrive in time");
}

/* A front that sends requests without a header is most likely configured without it, so it is told. A malformed header
 * is not answered: the front would give the response to a client. */
static enum loop_admission read_header(struct loop *l, struct conn *c, struct span *bytes)
{
	static const struct loop_refusal missing = {
	    .status = 400, .text = "this connection must begin with a PROXY protocol header (--proxy-protocol-from)\n"};
	struct proxy_header h;
	switch (proxy_header_parse(*bytes, &h)) {
	case PROXY_HEADER_MORE:
		return LOOP_ADMIT_MORE;
	case PROXY_HEADER_OTHER:
		report(c, "it began without a PROXY header");
		c->checks = 0;
		loop_refuse(l, c, *bytes, &missing);
		return LOOP_ADMIT_NO;
	case PROXY_HEADER_BAD:
		report(c, h.fault);
		loop_conns_close(l, c);
		return LOOP_ADMIT_NO;
	case PROXY_HEADER_WHOLE:
		break;
	}
	*bytes = span_from(*bytes, h.bytes);
	conn_set_client(c, &h);
	c->checks = 0;
	access_judge(l->options, c);
	if (!limits_count(&l->options->limits, c)) {
		loop_conns_close(l, c);
		return LOOP_ADMIT_NO;
	}
	return LOOP_ADMIT_YES;
}

static void refuse_client(struct loop *l, struct conn *c, struct span bytes)
{
	char peer[CONN_PEER], text[160];
	struct loop_refusal refusal = {.status = 403, .text = text};
	conn_peer(c, peer);
	switch (c->refusal) {
	case CONN_WELCOME:
	case CONN_NOT_ALLOWED:
		snprintf(text, sizeof text, "%s may not use this server (it is not in --allow-from)\n", peer);
		break;
	case CONN_TOO_MANY:
		refusal = (struct loop_refusal){503, text, "too many connections", 1};
		snprintf(text, sizeof text, "too many connections: try again later (see --max-connections)\n");
		break;
	case CONN_TOO_MANY_OF_CLIENT:
		refusal = (struct loop_refusal){429, text, "too many connections of this client", 1};
		snprintf(text, sizeof text,
		    "too many connections from %s: close some, or try again later (see "
		    "--max-connections-per-client)\n",
		    peer);
		break;
	}
	loop_refuse(l, c, bytes, &refusal);
}

enum loop_admission loop_admit(struct loop *l, struct conn *c, struct span *bytes)
{
	if (c->options != l->options)
		access_judge(l->options, c);
	enum loop_admission header = c->checks & CONN_CHECK_HEADER ? read_header(l, c, bytes) : LOOP_ADMIT_YES;
	if (header != LOOP_ADMIT_YES || c->refusal == CONN_WELCOME)
		return header;
	refuse_client(l, c, *bytes);
	return LOOP_ADMIT_NO;
}

/* The client that a front names is in the fields of the request, which the scan did not keep. */
static bool read_client(const struct loop *l, const struct conn *c, const struct request_scan *scan, struct span bytes,
    struct client *client)
{
	struct head h;
	struct fault fault;
	if (!scan->proxied || !(c->checks & CONN_CHECK_CLIENT)) {
		client_of_conn(c, client);
		client->proxied = client->proxied || scan->proxied;
		return true;
	}
	message_init(&h);
	bool whole = message_parse_request(&h, bytes, &fault) == MESSAGE_WHOLE;
	if (whole)
		client_read(l->options->fronts, c, &h, client);
	message_fini(&h);
	return whole;
}

bool loop_admit_request(struct loop *l, struct conn *c, const struct request_scan *scan, struct span bytes)
{
	struct client client;
	const char *user;
	if (scan == NULL)
		return false;
	if (!read_client(l, c, scan, bytes, &client))
		return false;
	if (c->checks & CONN_CHECK_CLIENT && !access_allows(l->options, &client))
		return false;
	if (access_needs_user(l->options, &client, scan->target) &&
	    users_find(l->options->users, scan->credentials, &user) != USERS_RIGHT)
		return false;
	return limits_take_share(&l->options->limits, c, &client, scan->target, l->now_ms);
}

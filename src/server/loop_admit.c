#include "server/loop_admit.h"

#include "proxy/access.h"
#include "server/loop_refuse.h"

bool loop_admit(struct loop *l, struct conn *c, struct span bytes)
{
	if (c->access != l->access)
		access_judge(l->access, c);
	if (c->refusal == CONN_WELCOME)
		return true;
	loop_refuse(l, c, bytes);
	return false;
}

/* The client of a request that came through a front is in its fields, which the scan did not keep. */
static bool read_client(const struct loop *l, const struct conn *c, const struct request_scan *scan, struct span bytes,
    struct client *client)
{
	struct head h;
	struct fault fault;
	message_init(&h);
	bool whole = !scan->proxied || message_parse_request(&h, bytes, &fault) == MESSAGE_WHOLE;
	if (whole)
		client_read(l->access->conf, c, &h, client);
	message_fini(&h);
	return whole;
}

bool loop_admit_hit(struct loop *l, struct conn *c, const struct request_scan *scan, struct span bytes)
{
	struct client client;
	return c->checks == 0 || (read_client(l, c, scan, bytes, &client) && access_allows(l->access, &client));
}

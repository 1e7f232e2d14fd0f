#include "server/loop_log.h"

#include "base/log.h"
#include "proxy/access.h"
#include "proxy/users.h"

void loop_log_request(const struct conn *c, struct span bytes, const struct loop_log *sent, int64_t now)
{
	struct head h;
	struct fault fault;
	struct client client;
	char from[CONN_PEER];
	message_init(&h);
	if (message_parse_request(&h, bytes, &fault) == MESSAGE_WHOLE) {
		client_read(options_now(c->context)->fronts, c, &h, &client);
		client_print(&client, from);
		const struct options *options = options_now(c->context);
		const char *user = NULL;
		if (access_needs_user(options, &client, h.target))
			users_find(options->users, message_find(&h, "Proxy-Authorization"), &user);
		struct log_access a = {
		    .client = span_of(from),
		    .user = span_of(user),
		    .request_line = message_request_line(&h),
		    .referer = message_find(&h, "Referer"),
		    .user_agent = message_find(&h, "User-Agent"),
		    .status = sent->status,
		    .body_bytes = sent->body_bytes,
		    .verdict = span_of(sent->verdict),
		    .took_us = sent->took_us,
		};
		log_access(&a, now);
	}
	message_fini(&h);
}

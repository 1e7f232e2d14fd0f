#include "proxy/client.h"

#include "base/conf.h"
#include "http/forwarded.h"

void client_of_conn(const struct conn *c, struct client *client)
{
	*client = (struct client){
	    .at = c->peer,
	    .other = c->peer,
	    .peer = c->peer,
	    .peer_unix = c->unix_socket,
	    .unix_socket = c->unix_socket,
	    .proxied = c->unnamed,
	};
}

void client_read(const struct cidr_list *trusted, const struct conn *c, const struct head *head, struct client *client)
{
	client_of_conn(c, client);
	client->front = cidr_list_holds(trusted, &c->peer);
	client->proxied = client->proxied || forwarded_is(head);
	if (!client->front || !client->proxied)
		return;
	struct in6_addr at, other;
	enum forwarded_naming naming = forwarded_client(head, trusted, &at, &other);
	client->unnamed = naming == FORWARDED_UNNAMED;
	client->named = naming == FORWARDED_NAMED || naming == FORWARDED_TWO;
	if (!client->named)
		return;
	client->at = at;
	client->other = naming == FORWARDED_TWO ? other : at;
	client->unix_socket = false;
}

bool client_is_local(const struct client *client)
{
	return !client->proxied && (client->unix_socket || cidr_is_loopback(&client->at));
}

bool client_may(const struct client *client, const struct conf *conf, const char *name)
{
	if (client_is_local(client) && (client->unix_socket || !conf_given(conf, name)))
		return true;
	/* A loopback address that a front names is a client on the machine of the front. */
	if (client->proxied && (!client->named || cidr_is_loopback(&client->at) || cidr_is_loopback(&client->other)))
		return false;
	const struct cidr_list *list = conf_cidrs(conf, name);
	return cidr_list_holds(list, &client->at) && cidr_list_holds(list, &client->other);
}

void client_print(const struct client *client, char text[CONN_PEER])
{
	if (client->unix_socket)
		strcpy(text, "unix:");
	else
		cidr_print(&client->at, text);
}

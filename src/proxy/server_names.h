/*
 * names: the names this server goes by. A request by prefix whose Host is another one may come from a web page that
 * rebound its own name to our address in order to read the user's network through us: it is refused with 421.
 */
#ifndef CURLEW_PROXY_SERVER_NAMES_H
#define CURLEW_PROXY_SERVER_NAMES_H

#include "base/span.h"

#include <stdbool.h>

struct conf;

/* Are the names of --server-name names of hosts? 0, or -1 after a line that says which is not. */
int server_name_check(const struct conf *);

/* host: a Host value, with or without port. local_fd: the connection, whose own local address is a name of ours too. */
bool server_name_is_ours(const struct conf *, struct span host, int local_fd);

/* True of localhost and of loopback addresses, with or without a port. */
bool server_name_is_loopback(struct span host);
/* LABEL of the Host value "LABEL.localhost", with or without a port, unless that is a name of ours; else {NULL, 0}. */
struct span server_name_site(const struct conf *, struct span host);
/* The port of a Host value with its colon, ":8899"; empty when there is none. */
struct span server_name_port(struct span host);

#endif

/*
 * server_names: the names of this server, as they may appear in Host.
 *
 * A request by prefix with another Host may come from a web page that made its own name resolve to our address (DNS
 * rebinding), in order to read the user's network through us. It is refused with 421. Pure but for getsockname() and
 * gethostname(); any thread.
 */
#ifndef CURLEW_PROXY_SERVER_NAMES_H
#define CURLEW_PROXY_SERVER_NAMES_H

#include "base/span.h"

#include <stdbool.h>

struct conf;

/* Checks that --server-name gives host names. 0, or -1 with the error on stderr. */
int server_names_check(const struct conf *);

/* True when a Host value, with or without a port, names this server. local_fd: the connection; its local address is a
 * name of this server too. -1: none. */
bool server_names_include(const struct conf *, struct span host, int local_fd);

/* True of localhost and of loopback addresses, with or without a port. */
bool server_names_is_loopback(struct span host);
/* The LABEL of a Host value "LABEL.localhost", with or without a port. {NULL, 0}: it has another form, or was
 * configured as a name of this server. */
struct span server_names_site(const struct conf *, struct span host);
/* The port of a Host value with its colon, such as ":8899"; empty: it has none. */
struct span server_names_port(struct span host);

#endif

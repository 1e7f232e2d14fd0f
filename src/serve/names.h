/*
 * names: the names this server goes by. A request by prefix whose Host is another one may come from a web page that rebound its own
 * name to our address in order to read the user's network through us: it is refused with 421.
 */
#ifndef CURLEW_SERVE_NAMES_H
#define CURLEW_SERVE_NAMES_H

#include "base/span.h"

#include <stdbool.h>

struct conf;

/* host: a Host value, with or without port. local_fd: the connection, whose own local address is a name of ours too. */
bool names_is_ours(const struct conf *, struct span host, int local_fd);

#endif

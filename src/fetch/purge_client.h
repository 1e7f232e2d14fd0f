/*
 * purge_client: sends one PURGE to a server, and waits for its response. It uses no thread and no connection of an
 * engine. Any thread that may block.
 */
#ifndef CURLEW_FETCH_PURGE_CLIENT_H
#define CURLEW_FETCH_PURGE_CLIENT_H

#include "base/buf.h"

/* node: "http://host:port", "https://host:port" or "unix:/path of a socket". target: the request target, a URL or a
 * path. fields: lines "Name: value\n". Returns the status of the response, whose body is appended to page as far as it
 * fits; or -1 with a sentence in why. Proxies of the environment are not used. */
int purge_client_send(const char *node, const char *target, struct span fields, struct buf *page, struct buf *why);

#endif

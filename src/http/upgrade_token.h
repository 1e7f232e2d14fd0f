/*
 * upgrade_token: the protocols that Upgrade names (RFC 9110 7.8): a name, with or without a version ("websocket",
 * "SPDY/3.1").
 *
 * Pure. Any thread may call.
 */
#ifndef CURLEW_HTTP_UPGRADE_TOKEN_H
#define CURLEW_HTTP_UPGRADE_TOKEN_H

#include "http/message.h"

/* True of a name by the grammar, with or without a version. */
bool upgrade_token_is_valid(struct span);
/* True of HTTP in any version and of TLS: requests inside such a connection would pass every rule unseen. */
bool upgrade_token_is_forbidden(struct span);
/* True when the response names at least one protocol in Upgrade, and only such as the list `offered` contains. */
bool upgrade_token_was_offered(struct span offered, const struct head *response);

#endif

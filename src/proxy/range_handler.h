/*
 * range_handler: ranges of bodies that are not stored whole (RFC 9111 3.3, 3.4). The cache handler calls it.
 */
#ifndef CURLEW_PROXY_RANGE_HANDLER_H
#define CURLEW_PROXY_RANGE_HANDLER_H

#include "proxy/exchange.h"
#include "proxy/selection.h"

/* Finds the stored parts that the request could use. parts->of is NULL when there are none. */
void range_handler_find(struct exchange *, struct index_parts *);

/* Serves the bytes that the plan names (SELECTION_PARTS) from stored parts. False: a file of theirs is gone, and
 * nothing was sent. */
bool range_handler_respond(struct exchange *, const struct index_parts *, const struct selection_plan *);

/* Cuts the range from a fetch of the whole body in progress. True: the client has its response. False: nothing was
 * sent. The reader stays the caller's. */
bool range_handler_stream(struct exchange *, struct flight_reader *, const struct flight_response *, const char *cache);

#endif

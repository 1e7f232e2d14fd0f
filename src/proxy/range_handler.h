/*
 * range_handler: ranges of bodies that are not stored whole (RFC 9111 3.3, 3.4). The cache handler calls it.
 */
#ifndef CURLEW_PROXY_RANGE_HANDLER_H
#define CURLEW_PROXY_RANGE_HANDLER_H

#include "proxy/exchange.h"

/* Finds the stored parts that the request could use. parts->of is NULL when there are none. */
void range_handler_find(struct exchange *, struct index_parts *);

/* Responds from stored parts, if they are fresh and hold the whole range. False: nothing was sent. */
bool range_handler_respond(struct exchange *, const struct index_parts *);

/* How to fetch the range of a body that is not stored. True: fetch the whole body and cut the range from it as it
 * arrives. False: request the range alone, because it lies far ahead or its position is unknown. */
bool range_handler_wants_whole(const struct exchange *);

/* Cuts the range from a fetch of the whole body in progress. True: the client has its response. False: nothing was
 * sent. The reader stays the caller's. */
bool range_handler_stream(struct exchange *, struct flight_reader *, const struct flight_response *, const char *cache);

#endif

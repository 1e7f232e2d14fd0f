/*
 * loop_shortage: when there are too few threads: late requests are refused, and slow connections are cut.
 *
 * A cut is a shutdown() of the client's socket. The pool thread that reads from the client, writes to it or waits for
 * its fetch notices it, ends the request and closes the connection.
 */
#ifndef CURLEW_SERVER_LOOP_SHORTAGE_H
#define CURLEW_SERVER_LOOP_SHORTAGE_H

#include "server/loop_state.h"

/* Looks for a shortage and acts. Once a second, on the first loop's thread. Does not block. */
void loop_shortage_check(struct loop_set *);

#endif

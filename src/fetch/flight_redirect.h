/*
 * flight_redirect: redirects that a rule follows. Readers see only the response at the end of them. The engine's thread
 * only.
 */
#ifndef CURLEW_FETCH_FLIGHT_REDIRECT_H
#define CURLEW_FETCH_FLIGHT_REDIRECT_H

#include "http/message.h"

#include <stdbool.h>

struct flight;

/* True when this head is a redirect that will be followed: it is shown to nobody, and its fetch is cancelled. Without
 * the lock. */
bool flight_redirect_take(struct flight *, const struct head *response);
/* True when the fetch that has just ended brought such a redirect, and it may still be followed. Under the lock. */
bool flight_redirect_is_due(const struct flight *);
/* Fetches the target. False: no memory. Under the lock. */
bool flight_redirect_follow(struct flight *);

#endif

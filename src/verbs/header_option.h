/* fields: the request fields of a command line (-H), checked once for every verb that takes them. Pure, but for what it
 * reports. */
#ifndef CURLEW_VERBS_FIELDS_H
#define CURLEW_VERBS_FIELDS_H

#include "base/conf.h"

/* True when each -H is a field line that a request of the command line may carry: a name of RFC 9110 5.6.2, a colon, a
 * value of 5.5, and not one of those that the URL or the message itself decides. Else reports the first that is not. */
bool fields_check(const struct conf *, const char *verb);

#endif

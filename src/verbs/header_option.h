/* header_option: the option -H, which adds a request field. One check for every verb that has it. */
#ifndef CURLEW_VERBS_HEADER_OPTION_H
#define CURLEW_VERBS_HEADER_OPTION_H

#include "base/conf.h"

/* True when each -H is a field line that a request may carry: a name (RFC 9110 5.6.2), a colon and a value (5.5). Host,
 * framing and Upgrade are not allowed, because the URL or curlew decides them. Otherwise reports the first wrong line.
 */
bool header_option_check(const struct conf *, const char *verb);

#endif

/* purge_to: `curlew purge --to`: the same purge, sent to servers over HTTP. One thread. */
#ifndef CURLEW_VERBS_PURGE_TO_H
#define CURLEW_VERBS_PURGE_TO_H

#include "base/conf.h"

/* Sends what conf selects to all nodes of --to, and reports each result. An exit status: 1 if any of them failed. */
int purge_to(const struct conf *);

#endif

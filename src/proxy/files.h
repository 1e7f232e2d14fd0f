/*
 * files: --root: local files as responses. root.h decides which files may be served.
 */
#ifndef CURLEW_PROXY_FILES_H
#define CURLEW_PROXY_FILES_H

#include "proxy/exchange.h"

/* Responds from --root. False: there is no such file, and nothing was sent. */
bool files_respond(struct exchange *);

#endif

/*
 * server: a service with listeners, threadpool and loops, from start to the end of its drain.
 */
#ifndef CURLEW_SERVER_SERVER_H
#define CURLEW_SERVER_SERVER_H

#include "base/conf.h"

/* Serves until SIGTERM or SIGINT and drains. Blocks. Returns the process's exit status; what went wrong has been said.
 */
int server_run(const struct conf *);

#endif

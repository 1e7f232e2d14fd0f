/*
 * server: `curlew serve`, from start to end: opens the context, the listeners, the thread pool and the event loops,
 * waits for signals, drains, and closes everything.
 */
#ifndef CURLEW_SERVER_SERVER_H
#define CURLEW_SERVER_SERVER_H

#include "base/conf.h"

/* Serves until SIGTERM or SIGINT, then drains. Returns the exit status of the process; errors have been reported on
 * stderr. The main thread. */
int server_run(const struct conf *);

#endif

/*
 * engine_thread: an engine with a thread of its own, which does nothing but make its turns.
 */
#ifndef CURLEW_FETCH_ENGINE_THREAD_H
#define CURLEW_FETCH_ENGINE_THREAD_H

#include "fetch/engine.h"

struct engine_thread;

/* Takes the engine, also after an error. NULL with a sentence in why: no memory or no thread. */
struct engine_thread *engine_thread_new(struct engine *, struct buf *why);
/* Cancels the fetches in progress (each done() is called before this returns), ends the thread, and frees the engine.
 * No other thread may use the engine any more. NULL is fine. */
void engine_thread_free(struct engine_thread *);

#endif

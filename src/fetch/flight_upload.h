/*
 * flight_upload: the request body, from a client's thread to the engine. A bounded pipe: the client's thread waits
 * while it is full, the engine pauses the transfer while it is empty. The flight's lock guards it.
 *
 * The functions for the client's side may be called by one thread at a time, while a reader of the flight is held. That
 * thread need not be the reader's own: a request body is usually read by a second thread while the response already
 * goes out.
 */
#ifndef CURLEW_FETCH_FLIGHT_UPLOAD_H
#define CURLEW_FETCH_FLIGHT_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct flight;
struct flight_reader;

/* Blocks until the origin wants the body (Expect: 100-continue), or has responded without it: then false. */
bool flight_upload_wanted(struct flight_reader *);
/* Blocks while the pipe is full. 0, or -1: nobody takes more. */
int flight_upload_write(struct flight_reader *, const char *bytes, size_t n);
/* The body ends here. whole false: it broke off, and so does the fetch. */
void flight_upload_end(struct flight_reader *, bool whole);
/* From any thread: nobody takes more of the body. flight_upload_write() and flight_upload_wanted() return at once. */
void flight_upload_stop(struct flight_reader *);

/* Makes and frees the pipe of a flight whose request has a body. 0, or -1: no memory. */
int flight_upload_new(struct flight *);
void flight_upload_free(struct flight *);
/* The origin has responded, or (stopped) takes no more: a thread that waits for it to want the body goes on. Under the
 * flight's lock. */
void flight_upload_over(struct flight *, bool stopped);
/* The engine's side, on its thread: see the member `upload` of struct fetch_ops. */
ssize_t flight_upload_take(struct flight *, char *bytes, size_t n);

#endif

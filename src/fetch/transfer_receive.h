/*
 * transfer_receive: what libcurl brings of a response, read and handed to the receiver of the fetch; and the request
 * body it takes. The engine's thread only.
 */
#ifndef CURLEW_FETCH_TRANSFER_RECEIVE_H
#define CURLEW_FETCH_TRANSFER_RECEIVE_H

#include <stddef.h>

struct fetch;

/* Callbacks of libcurl (CURLOPT_HEADERFUNCTION, CURLOPT_WRITEFUNCTION, CURLOPT_READFUNCTION); ctx is the struct fetch.
 */
size_t transfer_receive_head(char *bytes, size_t size, size_t n, void *ctx);
size_t transfer_receive_body(char *bytes, size_t size, size_t n, void *ctx);
size_t transfer_on_upload(char *bytes, size_t size, size_t n, void *ctx);

/* Something moved: the time to the next silence begins. */
void transfer_push_deadline(struct fetch *);

#endif

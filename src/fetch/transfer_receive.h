/*
 * transfer_receive: the callbacks in which libcurl delivers a response and takes the request body. The engine's thread
 * only, and only within calls of libcurl.
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

/* Bytes have moved: the time limit for a silence begins again. */
void transfer_push_deadline(struct fetch *);

#endif

/*
 * address_cache: libcurl's cache of the addresses of host names, shared by several engines. One of them looks a name
 * up, and all of them connect to it. Any thread; libcurl takes the lock.
 */
#ifndef CURLEW_FETCH_ADDRESS_CACHE_H
#define CURLEW_FETCH_ADDRESS_CACHE_H

#include <curl/curl.h>

struct address_cache;

/* NULL: no memory. */
struct address_cache *address_cache_new(void);
/* After the engines that use it. NULL is fine. */
void address_cache_free(struct address_cache *);
/* Lets a transfer use it. */
void address_cache_use(struct address_cache *, CURL *);

#endif

/* host: the host of a URL, as the column entry.host has it. */
#ifndef CURLEW_INDEX_HOST_H
#define CURLEW_INDEX_HOST_H

#include <stddef.h>

enum { INDEX_HOST = 256 }; /* bytes of a host's name, including the NUL */

/* Of a normalised URL: without the port; IPv6 addresses in brackets. */
void index_host_of(const char *url, char *host, size_t size);

#endif

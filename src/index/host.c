#include "index/host.h"

#include <stdio.h>
#include <string.h>

/* As entry.host: without port, IPv6 in brackets. */
void index_host_of(const char *url, char *host, size_t size)
{
	const char *from = strstr(url, "://");
	from = from != NULL ? from + 3 : url;
	size_t n = from[0] == '[' ? strcspn(from, "]") + 1 : strcspn(from, ":/");
	snprintf(host, size, "%.*s", (int)(n < size ? n : size - 1), from);
}

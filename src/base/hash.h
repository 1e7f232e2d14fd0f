/* hash: FNV-1a of texts. To hash several texts as one, pass the result for the first as h for the next. */
#ifndef CURLEW_BASE_HASH_H
#define CURLEW_BASE_HASH_H

#include <stdint.h>

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

#endif

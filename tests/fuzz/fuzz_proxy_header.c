/*
 * Any bytes as a PROXY protocol header, as the value of Forwarded and X-Forwarded-For, and as a list of networks. A
 * whole header is read alike without what follows it, and each of its beginnings waits for more. A network that is read
 * holds its own address.
 */
#include "base/cidr.h"
#include "http/forwarded.h"
#include "net/proxy_header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void fuzz_header(struct span bytes)
{
	struct proxy_header h, again;
	if (proxy_header_parse(bytes, &h) != PROXY_HEADER_WHOLE)
		return;
	if (h.bytes > bytes.len || h.bytes > PROXY_HEADER_MOST || !proxy_header_begins(bytes) ||
	    proxy_header_parse(span_make(bytes.at, h.bytes), &again) != PROXY_HEADER_WHOLE || again.bytes != h.bytes)
		abort();
	for (size_t i = 0; i < h.bytes; i++)
		if (proxy_header_parse(span_make(bytes.at, i), &again) != PROXY_HEADER_MORE)
			abort();
}

static void fuzz_networks(struct span text)
{
	struct cidr_list list = {NULL, 0};
	struct buf why;
	buf_init(&why, BUF_LINE);
	if (cidr_list_add(&list, text, &why) != 0 && why.len == 0)
		abort();
	for (size_t i = 0; i < list.count; i++)
		if (!cidr_holds(&list.nets[i], &list.nets[i].at) &&
		    !(list.nets[i].bits < 96 && cidr_is_v4(&list.nets[i].at)))
			abort();
	cidr_list_fini(&list);
	buf_fini(&why);
}

static void fuzz_forwarded(struct span value)
{
	static struct cidr trusted = {.bits = 97};
	static const struct cidr_list list = {&trusted, 1};
	struct in6_addr client, other;
	struct field fields[] = {{span_of("Forwarded"), value, false}, {span_of("X-Forwarded-For"), value, false}};
	for (size_t i = 0; i < 2; i++) {
		struct head head = {.fields = &fields[i], .count = 1};
		if (forwarded_client(&head, &list, &client, &other) == FORWARDED_ABSENT)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span text = span_make((const char *)bytes, n);
	fuzz_header(text);
	fuzz_networks(text);
	fuzz_forwarded(text);
	return 0;
}

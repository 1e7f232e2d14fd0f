/*
 * Any bytes as a request head, as field lines and as a chunked body: nothing is read out of bounds,
 * and a head that was taken is taken again when it is written out anew.
 */
#include "http/chunked.h"
#include "http/framing.h"
#include "http/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void rewrite(const struct head *head, struct buf *out)
{
	buf_addspan(out, head->method);
	buf_addc(out, ' ');
	buf_addspan(out, head->target);
	buf_addf(out, " HTTP/1.%d\r\n", head->minor);
	for (size_t i = 0; i < head->count; i++) {
		buf_addspan(out, head->fields[i].name);
		buf_adds(out, ": ");
		buf_addspan(out, head->fields[i].value);
		buf_adds(out, "\r\n");
	}
	buf_adds(out, "\r\n");
}

static void fuzz_request(struct span input)
{
	struct head head, again;
	struct fault fault;
	struct buf out;
	enum framing framing;
	int64_t length;
	message_init(&head);
	message_init(&again);
	buf_init(&out, BUF_PAGE);
	if (message_parse_request(&head, input, &fault) == MESSAGE_WHOLE) {
		rewrite(&head, &out);
		if (head.bytes > input.len || message_parse_request(&again, buf_span(&out), &fault) != MESSAGE_WHOLE ||
		    again.count != head.count || again.bytes != out.len)
			abort();
		framing_of_request(&head, &framing, &length, &fault);
		message_keeps_alive(&head);
	}
	if (message_parse_fields(&head, input) == 0)
		framing_of_response(&head, span_of("GET"), &framing, &length, &fault);
	buf_fini(&out);
	message_fini(&head);
	message_fini(&again);
}

static void fuzz_chunked(struct span input)
{
	struct chunked chunked;
	struct span data;
	size_t content = 0, whole = input.len;
	enum chunked_step step;
	chunked_init(&chunked);
	while ((step = chunked_next(&chunked, &input, &data)) == CHUNKED_DATA)
		content += data.len;
	if (content > whole || (step == CHUNKED_MORE && input.len > 0))
		abort();
	chunked_fini(&chunked);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span input = span_make((const char *)bytes, n);
	fuzz_request(input);
	fuzz_chunked(input);
	return 0;
}

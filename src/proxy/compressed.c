#include "proxy/compressed.h"

#include "fetch/flight.h"

enum { ALL = (1 << COMPRESSIONS) - 1 };

bool compressed_suits(const struct context *s, int status, struct span fields, int64_t body_bytes, bool *in_vary)
{
	struct head head;
	*in_vary = false;
	if (!s->compress)
		return false;
	message_init(&head);
	bool suits = message_parse_fields(&head, fields) == 0;
	head.status = status;
	suits = suits && compression_suits(&head, body_bytes);
	*in_vary = suits && compression_is_in_vary(&head);
	message_fini(&head);
	return suits;
}

enum compression compressed_wanted(const struct context *s, const struct head *request)
{
	return s->compress ? compression_choose(request, ALL) : COMPRESSION_NONE;
}

static enum compression coding_of(const struct entry *copy)
{
	struct head head;
	enum compression coding = COMPRESSION_NONE;
	message_init(&head);
	if (message_parse_fields(&head, span_of(copy->headers)) == 0)
		coding = compression_of(&head);
	message_fini(&head);
	return coding;
}

/* The stored copy that the request prefers; NULL: none. *coding is that of the copy, or NONE. */
static const struct entry *best_stored(
    const struct entry *original, const struct head *request, enum compression *coding)
{
	const struct entry *of[COMPRESSIONS] = {NULL};
	unsigned known = 0;
	for (const struct entry *c = original->copies; c != NULL; c = c->next_copy) {
		enum compression its = coding_of(c);
		of[its] = c;
		known |= 1U << its;
	}
	*coding = compression_choose(request, known);
	return *coding != COMPRESSION_NONE ? of[*coding] : NULL;
}

/* The fields are made of those that the original has now, because a validation may have changed them. */
const struct entry *compressed_choose(const struct exchange *x, const struct entry *original, struct buf *fields)
{
	enum compression wanted = compressed_wanted(x->context, x->request), coding;
	struct head head;
	if (wanted == COMPRESSION_NONE)
		return NULL;
	const struct entry *copy = best_stored(original, x->request, &coding);
	if (coding != wanted)
		flight_want_copy(x->context->flights, original, wanted, x->rules->purge_id);
	message_init(&head);
	if (copy != NULL && (message_parse_fields(&head, span_of(original->headers)) != 0 ||
				compression_fields(&head, coding, fields) != 0))
		copy = NULL;
	message_fini(&head);
	return copy;
}

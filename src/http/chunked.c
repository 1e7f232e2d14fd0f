/*
 * Each state is a position in the grammar (RFC 9112 7.1). Chunk data is returned in place, without a copy. Everything
 * else is read byte by byte.
 *
 *   SIZE -> [PAD ->] [EXTENSION ->] SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...
 *                                          \-> (size 0) LINE_START [-> LINE -> LINE_LF ...] ->
 * END_LF -> DONE
 *
 * PAD allows white space after a size. RFC 9112 allows it only before a ";", but some servers reserve space for the
 * size and pad it, and no reader takes the padding for another length.
 */
#include "http/chunked.h"

enum {
	SIZE,
	PAD,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	LINE_START, /* at the start of a trailer line or of the empty line that ends it all */
	LINE,
	LINE_LF,
	END_LF,
	DONE,
	BROKEN
};

enum {
	DIGITS_MAX = 15,          /* so that a size always fits */
	EXTENSION_MAX = 16 << 10, /* of the whole body: a sender could send extensions without end */
};

void chunked_init(struct chunked *c)
{
	memset(c, 0, sizeof *c);
	c->state = SIZE;
	buf_init(&c->trailers, BUF_LINE);
}

void chunked_fini(struct chunked *c)
{
	buf_fini(&c->trailers);
	c->state = BROKEN;
}

static int step_size(struct chunked *c, char byte)
{
	int digit = span_hex_digit(byte);
	if (c->state == SIZE && digit >= 0) {
		if (c->digits == DIGITS_MAX)
			return BROKEN;
		c->digits++;
		c->left = c->left * 16 + (uint64_t)digit;
		return SIZE;
	}
	if (c->digits == 0)
		return BROKEN;
	if (byte == '\r')
		return SIZE_LF;
	if (byte == ';')
		return EXTENSION;
	if (byte == ' ' || byte == '\t')
		return ++c->extension > EXTENSION_MAX ? BROKEN : PAD;
	return BROKEN;
}

static int step_extension(struct chunked *c, char byte)
{
	if (byte == '\r')
		return SIZE_LF;
	unsigned char u = (unsigned char)byte;
	if ((u < 0x20 && u != '\t') || u == 0x7f || ++c->extension > EXTENSION_MAX)
		return BROKEN;
	return EXTENSION;
}

/* Trailer lines are kept as received. message_parse_fields() decides later whether they are fields. */
static int step_trailer(struct chunked *c, char byte)
{
	if (c->state == LINE_START) {
		if (byte == '\r')
			return END_LF;
		if (byte == ' ' || byte == '\t')
			return BROKEN; /* obs-fold, RFC 9112 5.2 */
	}
	if (byte == '\n' || byte == '\0' || buf_addc(&c->trailers, byte) != 0)
		return BROKEN;
	return byte == '\r' ? LINE_LF : LINE;
}

static int step(struct chunked *c, char byte)
{
	switch (c->state) {
	case SIZE:
	case PAD:
		return step_size(c, byte);
	case EXTENSION:
		return step_extension(c, byte);
	case SIZE_LF:
		if (byte != '\n')
			return BROKEN;
		return c->left > 0 ? DATA : LINE_START;
	case DATA_CR:
		return byte == '\r' ? DATA_LF : BROKEN;
	case DATA_LF:
		c->digits = 0;
		return byte == '\n' ? SIZE : BROKEN;
	case LINE_START:
	case LINE:
		return step_trailer(c, byte);
	case LINE_LF:
		return byte == '\n' && buf_addc(&c->trailers, '\n') == 0 ? LINE_START : BROKEN;
	case END_LF:
		return byte == '\n' ? DONE : BROKEN;
	}
	return BROKEN;
}

enum chunked_step chunked_next(struct chunked *c, struct span *in, struct span *data)
{
	while (in->len > 0 && c->state != DONE && c->state != BROKEN) {
		if (c->state == DATA) {
			size_t n = c->left < in->len ? (size_t)c->left : in->len;
			*data = span_make(in->at, n);
			*in = span_from(*in, n);
			c->left -= n;
			if (c->left == 0)
				c->state = DATA_CR;
			return CHUNKED_DATA;
		}
		c->state = step(c, in->at[0]);
		*in = span_from(*in, 1);
	}
	if (c->state == DONE)
		return CHUNKED_END;
	return c->state == BROKEN ? CHUNKED_BAD : CHUNKED_MORE;
}

/* Invariant: cap counts the NUL and len does not, so len < cap as soon as there is data. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t ceiling)
{
	memset(b, 0, sizeof *b);
	b->ceiling = ceiling;
}

void buf_fini(struct buf *b)
{
	free(b->data);
	buf_init(b, b->ceiling);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

char *buf_room(struct buf *b, size_t n)
{
	if (b->failed || n > b->ceiling || b->len > b->ceiling - n) {
		b->failed = true;
		return NULL;
	}
	size_t need = b->len + n + 1;
	if (need > b->cap) {
		size_t cap = b->cap < 128 ? 128 : b->cap;
		while (cap < need)
			cap *= 2;
		if (cap > b->ceiling + 1)
			cap = b->ceiling + 1;
		char *data = realloc(b->data, cap);
		if (data == NULL) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_grew(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	assert(b->len + n < b->cap);
	b->len += n;
	b->data[b->len] = '\0';
}

int buf_add(struct buf *b, const void *bytes, size_t n)
{
	char *room = buf_room(b, n);
	if (room == NULL)
		return -1;
	if (n > 0)
		memcpy(room, bytes, n);
	buf_grew(b, n);
	return 0;
}

int buf_adds(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int buf_addspan(struct buf *b, struct span s)
{
	return buf_add(b, s.at, s.len);
}

int buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_addi(struct buf *b, int64_t n)
{
	char digits[20], *at = digits + sizeof digits;
	uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*--at = '-';
	return buf_add(b, at, (size_t)(digits + sizeof digits - at));
}

int buf_addf(struct buf *b, const char *format, ...)
{
	va_list ap, again;
	va_start(ap, format);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, format, ap);
	char *room = n < 0 ? NULL : buf_room(b, (size_t)n);
	if (room != NULL) {
		vsnprintf(room, (size_t)n + 1, format, again);
		buf_grew(b, (size_t)n);
	}
	va_end(again);
	va_end(ap);
	return room == NULL ? -1 : 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

const char *buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

struct span buf_span(const struct buf *b)
{
	return span_make(buf_str(b), b->len);
}

char *buf_take(struct buf *b)
{
	char *data = b->data;
	if (data == NULL)
		return calloc(1, 1);
	size_t ceiling = b->ceiling;
	buf_init(b, ceiling);
	return data;
}

/*
 * The codings of content (RFC 9110 8.4).
 */
#include "http/content_coding.h"

#include "http/field.h"

/* The next coding in all Content-Encoding lines. *rest is the rest of *line. Both are empty at first. */
static bool next_coding(const struct head *head, const struct field **line, struct span *rest, struct span *coding)
{
	for (;;) {
		while (field_next(rest, coding)) {
			if (span_is_nocase(*coding, "identity"))
				continue;
			if (span_starts_nocase(*coding, "x-")) /* x-gzip is gzip (RFC 9110 8.4.1.3) */
				*coding = span_from(*coding, 2);
			return true;
		}
		*line = message_next(head, span_of("Content-Encoding"), *line);
		if (*line == NULL)
			return false;
		*rest = (*line)->value;
	}
}

bool content_coding_is_present(const struct head *response)
{
	const struct field *line = NULL;
	struct span rest = {NULL, 0}, coding;
	return next_coding(response, &line, &rest, &coding);
}

bool content_coding_is_same(const struct head *a, const struct head *b)
{
	const struct field *line_a = NULL, *line_b = NULL;
	struct span rest_a = {NULL, 0}, rest_b = {NULL, 0}, x, y;
	for (;;) {
		bool more_a = next_coding(a, &line_a, &rest_a, &x), more_b = next_coding(b, &line_b, &rest_b, &y);
		if (!more_a || !more_b)
			return more_a == more_b;
		if (!span_same_nocase(x, y))
			return false;
	}
}

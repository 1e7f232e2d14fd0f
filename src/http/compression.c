#include "http/compression.h"

#include "http/content_coding.h"
#include "http/field.h"
#include "http/preference.h"

#include <stdlib.h>

static const char *const names[COMPRESSIONS] = {[COMPRESSION_NONE] = "identity",
    [COMPRESSION_GZIP] = "gzip",
    [COMPRESSION_ZSTD] = "zstd",
    [COMPRESSION_BROTLI] = "br"};

const char *compression_name(enum compression c)
{
	return names[c];
}

enum compression compression_of(const struct head *response)
{
	struct span value = message_find(response, "Content-Encoding");
	for (enum compression c = COMPRESSION_GZIP; c < COMPRESSIONS; c++)
		if (span_is_nocase(value, names[c]))
			return c;
	return COMPRESSION_NONE;
}

static bool ends_nocase(struct span s, const char *end)
{
	size_t n = strlen(end);
	return s.len > n && span_is_nocase(span_from(s, s.len - n), end);
}

/* text, JSON, JavaScript, XML, SVG and WebAssembly. */
static bool is_text(struct span type)
{
	static const char *const types[] = {"application/json", "application/javascript", "application/x-javascript",
	    "application/ecmascript", "application/xml", "application/wasm", "application/x-ndjson"};
	type = field_bare(type);
	if (span_starts_nocase(type, "text/"))
		return !span_is_nocase(type, "text/event-stream");
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (span_is_nocase(type, types[i]))
			return true;
	return ends_nocase(type, "+json") || ends_nocase(type, "+xml");
}

bool compression_suits(const struct head *response, int64_t body_bytes)
{
	return (body_bytes < 0 || body_bytes >= COMPRESSION_LEAST) && response->status != 206 &&
	       is_text(message_find(response, "Content-Type")) && !content_coding_is_present(response) &&
	       !message_has(response, "Content-Range") && !message_lists(response, "Cache-Control", "no-transform");
}

/* x-gzip is another name of gzip (RFC 9110 8.4.1.3). */
static bool is_called(struct span name, enum compression c)
{
	return span_is_nocase(name, names[c]) || (c == COMPRESSION_GZIP && span_is_nocase(name, "x-gzip"));
}

/* RFC 9110 12.5.3: "*" stands for the codings that are not listed. fallback: the weight of a coding that neither names.
 */
static int weight_of(const struct preference *p, int count, enum compression c, int fallback)
{
	int weight = fallback;
	for (int i = 0; i < count; i++) {
		if (is_called(p[i].name, c))
			return p[i].weight;
		if (span_is(p[i].name, "*"))
			weight = p[i].weight;
	}
	return weight;
}

enum compression compression_choose(const struct head *request, unsigned known)
{
	struct preference p[PREFERENCE_MAX];
	enum compression best = COMPRESSION_NONE;
	int count = preference_read(request, span_of("Accept-Encoding"), p);
	if (count <= 0 || message_has(request, "Range") || message_lists(request, "Cache-Control", "no-transform"))
		return COMPRESSION_NONE;
	/* identity is listed by few, and then to say that it is better or forbidden. Else any coding is better. */
	int most = 1;
	for (int i = 0; i < count; i++)
		if (is_called(p[i].name, COMPRESSION_NONE))
			most = p[i].weight + 1;
	for (enum compression c = COMPRESSION_GZIP; c < COMPRESSIONS; c++) {
		int weight = weight_of(p, count, c, 0);
		if ((known >> c & 1) == 0 || weight < most)
			continue;
		best = c;
		most = weight;
	}
	return best;
}

char *compression_tag(const char *etag)
{
	bool weak = strncmp(etag, "W/", 2) == 0;
	char *tag = malloc(strlen(etag) + sizeof "W/");
	return tag != NULL ? strcat(strcpy(tag, weak ? "" : "W/"), etag) : NULL;
}

bool compression_is_in_vary(const struct head *response)
{
	return message_lists(response, "Vary", "Accept-Encoding") || message_lists(response, "Vary", "*");
}

/* Fields that describe the bytes of the original. */
static bool is_left_out(struct span name)
{
	static const char *const left_out[] = {"Accept-Ranges", "Content-Encoding", "Content-Length", "Content-MD5",
	    "Digest", "Content-Digest", "Repr-Digest"};
	for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
		if (span_is_nocase(name, left_out[i]))
			return true;
	return false;
}

int compression_fields(const struct head *original, enum compression c, struct buf *out)
{
	for (size_t i = 0; i < original->count; i++) {
		const struct field *f = &original->fields[i];
		if (is_left_out(f->name))
			continue;
		bool strong = span_is_nocase(f->name, "ETag") && !span_starts(f->value, "W/");
		buf_addspan(out, f->name);
		buf_adds(out, strong ? ": W/" : ": ");
		buf_addspan(out, f->value);
		buf_addc(out, '\n');
	}
	buf_addf(out, "Content-Encoding: %s\n", names[c]);
	if (!compression_is_in_vary(original))
		buf_adds(out, "Vary: Accept-Encoding\n");
	return out->failed ? -1 : 0;
}

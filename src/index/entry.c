#include "index/entry.h"

#include "http/message.h"
#include "index/body_name.h"

#include <stdlib.h>
#include <string.h>

struct entry *entry_new(void)
{
	struct entry *e = calloc(1, sizeof *e);
	if (e == NULL)
		return NULL;
	e->dns_ms = e->connect_ms = e->ttfb_ms = e->total_ms = -1;
	e->vary = strdup("");
	e->headers = strdup("");
	if (e->vary == NULL || e->headers == NULL) {
		entry_free(e);
		return NULL;
	}
	return e;
}

void entry_free(struct entry *e)
{
	if (e == NULL)
		return;
	for (struct entry *copy; (copy = e->copies) != NULL; entry_free(copy))
		e->copies = copy->next_copy;
	free(e->url);
	free(e->vary);
	free(e->headers);
	free(e->etag);
	free(e->last_modified);
	free(e->body_file);
	free(e->tag);
	free(e->groups);
	free(e->note);
	free(e->reason);
	free(e);
}

/* Copies text into *to. True: it worked, or there is none to copy. */
static bool copied(char **to, const char *text)
{
	*to = text != NULL ? strdup(text) : NULL;
	return text == NULL || *to != NULL;
}

struct entry *entry_copy(const struct entry *from)
{
	struct entry *e = malloc(sizeof *e);
	if (e == NULL)
		return NULL;
	*e = *from;
	e->copies = e->next_copy = NULL;
	bool all = true;
	all &= copied(&e->url, from->url);
	all &= copied(&e->vary, from->vary);
	all &= copied(&e->headers, from->headers);
	all &= copied(&e->etag, from->etag);
	all &= copied(&e->last_modified, from->last_modified);
	all &= copied(&e->body_file, from->body_file);
	all &= copied(&e->tag, from->tag);
	all &= copied(&e->groups, from->groups);
	all &= copied(&e->note, from->note);
	all &= copied(&e->reason, from->reason);
	for (const struct entry *c = from->copies; c != NULL && all; c = c->next_copy) {
		struct entry *copy = entry_copy(c);
		all = copy != NULL;
		if (all) {
			copy->next_copy = e->copies;
			e->copies = copy;
		}
	}
	if (!all) {
		entry_free(e);
		return NULL;
	}
	return e;
}

/* --- an entry as it was read from a row --- */

static bool has_byte_below(const char *text, unsigned char least)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < least || *text == 127)
			return true;
	return false;
}

static bool is_url(const char *url)
{
	const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
			   : strncmp(url, "https://", 8) == 0 ? url + 8
							      : NULL;
	return host != NULL && host[0] != '/' && strchr(host, '/') != NULL && !has_byte_below(url, '!');
}

/* Has it a byte that would end a header line early? */
static bool splits(const char *value)
{
	return value != NULL && strpbrk(value, "\r\n") != NULL;
}

/* Is the text lines of the form "Name: value\n"? */
static bool lines_are_fields(const char *headers)
{
	while (*headers != '\0') {
		size_t n = strcspn(headers, "\n");
		const char *colon = memchr(headers, ':', n);
		if (colon == NULL || !message_is_token(span_make(headers, (size_t)(colon - headers))) ||
		    memchr(headers, '\r', n) != NULL)
			return false;
		headers += n + (headers[n] == '\n');
	}
	return true;
}

const char *entry_fault(const struct entry *e)
{
	if (!is_url(e->url))
		return "url is not an absolute http or https URL";
	if (strchr(e->vary, '\r') != NULL)
		return "vary holds a carriage return";
	if (e->status < 200 || e->status > 599 || e->status == 206 || e->status == 304)
		return "status is not one of a response that is stored";
	if (!lines_are_fields(e->headers))
		return "headers are not all lines of the form \"Name: value\"";
	if (splits(e->etag) || splits(e->last_modified))
		return "a validator holds a line break";
	if (e->body_file == NULL ? e->body_bytes != 0 : body_number(e->body_file) < 0)
		return "body_file and body_bytes do not name a body";
	return NULL;
}

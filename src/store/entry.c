#include "store/entry.h"

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
	free(e->url);
	free(e->vary);
	free(e->headers);
	free(e->etag);
	free(e->last_modified);
	free(e->body_file);
	free(e->tag);
	free(e->note);
	free(e->reason);
	free(e);
}

/* A copy of text into *to; true when there is none to copy or it worked. */
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
	bool all = true;
	all &= copied(&e->url, from->url);
	all &= copied(&e->vary, from->vary);
	all &= copied(&e->headers, from->headers);
	all &= copied(&e->etag, from->etag);
	all &= copied(&e->last_modified, from->last_modified);
	all &= copied(&e->body_file, from->body_file);
	all &= copied(&e->tag, from->tag);
	all &= copied(&e->note, from->note);
	all &= copied(&e->reason, from->reason);
	if (!all) {
		entry_free(e);
		return NULL;
	}
	return e;
}

#include "fetch/parent.h"

#include "base/log.h"
#include "http/url.h"

#include <stdatomic.h>
#include <stdlib.h>

struct parent {
	char *url;
	_Atomic int64_t left_out_until_ms;
};

struct parent *parent_new(const char *text, const char **why)
{
	struct url url;
	struct parent *p = calloc(1, sizeof *p);
	url_init(&url);
	*why = NULL;
	if (url_parse(span_of(text), false, &url) != 0 || url.secure || strcmp(url.path, "/") != 0 || url.query.len > 0)
		*why = "not the address of a curlew (give one such as http://cache.example:8899)";
	else if (p == NULL || (p->url = url_compose(&url)) == NULL)
		*why = "out of memory";
	url_fini(&url);
	if (*why == NULL)
		return p;
	parent_free(p);
	return NULL;
}

void parent_free(struct parent *p)
{
	if (p == NULL)
		return;
	free(p->url);
	free(p);
}

const char *parent_url(const struct parent *p)
{
	return p->url;
}

bool parent_is_up(const struct parent *p, int64_t now_ms)
{
	return now_ms >= atomic_load_explicit(&p->left_out_until_ms, memory_order_relaxed);
}

void parent_failed(struct parent *p, int64_t now_ms, const char *why)
{
	/* Once for a pause: other requests that failed at the same time would say the same. */
	if (parent_is_up(p, now_ms))
		log_trouble("parent", "--parent %s: %s (for %d seconds, origins are asked directly)", p->url, why,
		    PARENT_PAUSE_MS / 1000);
	atomic_store_explicit(&p->left_out_until_ms, now_ms + PARENT_PAUSE_MS, memory_order_relaxed);
}

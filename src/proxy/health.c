#include "proxy/health.h"

#include "base/stats.h"
#include "net/threadpool.h"
#include "proxy/synthetic.h"

#include <inttypes.h>

struct health health_now(const struct context *context, bool draining)
{
	struct min_rate_load load = threadpool_load(context->threadpool);
	if (draining)
		return (struct health){503, "draining\n"};
	if (load.busy >= load.most && load.waiting > 0)
		return (struct health){503, "busy\n"};
	return (struct health){200, "ok\n"};
}

bool health_is(const struct exchange *x)
{
	return x->target.form == KEY_OWN && strcmp(x->target.path, "/health") == 0;
}

static void add_details(const struct context *context, struct buf *page)
{
	struct min_rate_load load = threadpool_load(context->threadpool);
	buf_addf(page, "connections %" PRId64 "\n", stats_get(STATS_CONNECTIONS_OPEN));
	buf_addf(page, "threads %zu of %zu\n", load.busy, load.most);
	buf_addf(page, "waiting %zu\n", load.waiting);
	buf_addf(page, "store_trouble %" PRId64 "\n", stats_get(STATS_STORE_TROUBLE));
	buf_addf(page, "fetch_failures %" PRId64 "\n", stats_get(STATS_FETCH_FAILURES));
}

void health_respond(struct exchange *x, bool draining, bool details)
{
	struct health now = health_now(x->context, draining);
	struct buf page;
	if (!span_is(x->request->method, "GET") && !span_is(x->request->method, "HEAD")) {
		synthetic_text(x, 405, NULL, "curlew's own pages only support GET and HEAD");
		return;
	}
	bool wanted = span_is(x->request->target, HEALTH_TARGET "?details");
	if (wanted && !details) {
		synthetic_text(x, 403, NULL, "the details are for --admin-from (request " HEALTH_TARGET ")");
		return;
	}
	x->verdict = "own";
	buf_init(&page, BUF_PAGE);
	buf_adds(&page, now.line);
	if (wanted)
		add_details(x->context, &page);
	synthetic_page(x, now.status, "text/plain; charset=utf-8", buf_span(&page));
	buf_fini(&page);
}

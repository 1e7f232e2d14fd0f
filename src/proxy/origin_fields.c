#include "proxy/origin_fields.h"

#include "fetch/named_sites.h"
#include "http/location.h"
#include "http/url.h"
#include "proxy/options.h"
#include "proxy/server_names.h"
#include "proxy/site_target.h"

#include <ctype.h>
#include <stdlib.h>

/* --- changing the head --- */

/* CGI and its successors (WSGI, FastCGI) cannot tell "_" from "-" in a name. */
static bool begins_like(struct span name, const char *prefix)
{
	size_t n = strlen(prefix);
	for (size_t i = 0; i < n; i++)
		if (i == name.len ||
		    (name.at[i] == '_' ? prefix[i] != '-'
				       : tolower((unsigned char)name.at[i]) != tolower((unsigned char)prefix[i])))
			return false;
	return true;
}

static bool is_told_by_proxies(struct span name)
{
	static const char *const names[] = {"Forwarded", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL"};
	if (begins_like(name, "X-Forwarded-"))
		return true;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (name.len == strlen(names[i]) && begins_like(name, names[i]))
			return true;
	return false;
}

static bool names_host_or_scheme(struct span name)
{
	return begins_like(name, "X-Forwarded-Host") || begins_like(name, "X-Forwarded-Proto");
}

/* A front may believe that it has set such a field, and pass on another spelling of it: that one is never believed.
 * judged: host and scheme have been read, and only what was read is passed on. The origin could obey another member of
 * the list, and its response would be stored under a URL that it was not made for. */
static void remove_fields(struct head *head, bool trusted, bool judged)
{
	size_t kept = 0;
	for (size_t i = 0; i < head->count; i++) {
		struct span name = head->fields[i].name;
		bool believed = trusted && memchr(name.at, '_', name.len) == NULL;
		believed = believed && !(judged && names_host_or_scheme(name));
		if (believed || !is_told_by_proxies(name))
			head->fields[kept++] = head->fields[i];
	}
	if (kept == head->count)
		return;
	head->count = kept;
	head->by_name_count = 0;
}

/* Replaces all lines of that name by one. 0, or -1: no memory. */
static int set_field(struct head *head, const char *name, struct span value)
{
	message_leave_out(head, name);
	if (head->count == head->capacity) {
		struct field *more = reallocarray(head->fields, head->capacity + 8, sizeof *more);
		if (more == NULL)
			return -1;
		head->fields = more;
		head->capacity += 8;
	}
	head->fields[head->count++] = (struct field){.name = span_of(name), .value = value};
	head->by_name_count = 0;
	return 0;
}

/* --- the values --- */

enum { ADDED_MOST = 4 };

struct added {
	struct buf text; /* all values */
	struct {
		const char *name;
		size_t from, bytes;
	} fields[ADDED_MOST];
	size_t count;
};

static void begin_value(struct added *a, const char *name)
{
	a->fields[a->count].name = name;
	a->fields[a->count].from = a->text.len;
}

static void end_value(struct added *a)
{
	a->fields[a->count].bytes = a->text.len - a->fields[a->count].from;
	a->count++;
}

/* Adds what a trusted front sent: the lines of that name as one list. True: there was something. */
static bool add_received(struct added *a, const struct head *head, const char *name)
{
	const struct field *line = NULL;
	bool any = false;
	while ((line = message_next(head, span_of(name), line)) != NULL) {
		if (line->value.len == 0)
			continue;
		buf_adds(&a->text, any ? ", " : "");
		buf_addspan(&a->text, line->value);
		any = true;
	}
	return any;
}

static void add_separator(struct added *a)
{
	if (a->text.len > a->fields[a->count].from)
		buf_adds(&a->text, ", ");
}

/* A node without an address, such as a unix socket, is "unknown" (RFC 7239 6.2). */
static void node_of(const struct in6_addr *at, bool has_address, char text[CONN_PEER])
{
	if (has_address)
		cidr_print(at, text);
	else
		strcpy(text, "unknown");
}

/* A member of Forwarded (RFC 7239 4): host is empty where nothing is to be told. */
static void add_member(struct added *a, const char *node, struct span host, bool secure)
{
	bool v6 = strchr(node, ':') != NULL;
	add_separator(a);
	buf_addf(&a->text, v6 ? "for=\"[%s]\"" : "for=%s", node);
	if (host.len > 0) {
		bool token = message_is_token(host);
		buf_addf(&a->text, token ? ";host=%.*s" : ";host=\"%.*s\"", (int)host.len, host.at);
	}
	buf_addf(&a->text, ";proto=%s", secure ? "https" : "http");
}

static void add_node(struct added *a, const char *node)
{
	add_separator(a);
	buf_adds(&a->text, node);
}

static bool is_kept(const struct exchange *x, const char *name)
{
	return x->client.front && message_has(x->request, name);
}

static struct span authority_of(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	return span_make(host, strcspn(host, "/?"));
}

static bool has_names(const struct exchange *x)
{
	return x->context->origin != NULL && conf_item(x->options->conf, "server-name", 0) != NULL;
}

/* The host that the client used. Without named sites, no key contains it: if the operator says which names this server
 * has, the others are not passed on. */
static struct span public_host(const struct exchange *x)
{
	struct span target = x->request->target, host;
	bool secure;
	if (x->target.url == NULL)
		return span_make("", 0);
	if (x->context->origin == NULL)
		return authority_of(x->target.url);
	site_target_host(x->request, &x->client, &host, &secure);
	if (url_take_scheme(&target, &secure))
		host = span_make(target.at, url_until(target, "/?#"));
	bool ours = !has_names(x) || server_names_include(x->options->conf, host, -1);
	return host.at != NULL && message_is_host(host) && ours ? host : span_make("", 0);
}

/* Forwarded and X-Forwarded-For name the same nodes. If the front sent only one of them, the client that it names
 * begins the other. */
static void make_values(const struct exchange *x, struct span host, struct added *a)
{
	char peer[CONN_PEER], client[CONN_PEER];
	node_of(&x->client.peer, !x->client.peer_unix, peer);
	node_of(&x->client.at, !x->client.unix_socket, client);
	begin_value(a, "X-Forwarded-For");
	if (!add_received(a, x->request, "X-Forwarded-For") && x->client.named)
		add_node(a, client);
	add_node(a, peer);
	end_value(a);
	begin_value(a, "Forwarded");
	bool first = !add_received(a, x->request, "Forwarded");
	if (first && x->client.named)
		add_member(a, client, host, x->secure);
	bool through = x->client.named || !first;
	struct span received = message_find(x->request, "Host");
	add_member(a, peer, through && received.at != NULL ? received : host, through ? false : x->secure);
	end_value(a);
	if (!is_kept(x, "X-Forwarded-Proto")) {
		begin_value(a, "X-Forwarded-Proto");
		buf_adds(&a->text, x->secure ? "https" : "http");
		end_value(a);
	}
	if (host.len > 0 && !is_kept(x, "X-Forwarded-Host")) {
		begin_value(a, "X-Forwarded-Host");
		buf_addspan(&a->text, host);
		end_value(a);
	}
}

static int add_forwarded(struct exchange *x, struct head *head, struct span host)
{
	struct added a = {.count = 0};
	buf_init(&a.text, BUF_HEAD);
	make_values(x, host, &a);
	x->forwarded = a.text.failed ? NULL : buf_take(&a.text);
	buf_fini(&a.text);
	int rc = x->forwarded != NULL ? 0 : -1;
	for (size_t i = 0; i < a.count && rc == 0; i++)
		rc = set_field(head, a.fields[i].name, span_make(x->forwarded + a.fields[i].from, a.fields[i].bytes));
	return rc;
}

/* --- Destination --- */

static int map_destination(struct exchange *x, struct head *head, struct span host, struct fault *fault)
{
	const char *origin = x->site != NULL ? x->site->backends[0].url : x->context->origin;
	const char *as_origin = x->site != NULL ? x->target.url : origin;
	struct span value = message_find(head, "Destination");
	struct location_destination mapped;
	struct buf ours, base;
	buf_init(&ours, BUF_HEAD);
	buf_init(&base, BUF_HEAD);
	buf_addf(&ours, "http%s://", x->secure ? "s" : "");
	buf_addspan(&ours, x->site != NULL ? authority_of(x->target.url) : host);
	buf_addc(&ours, '/');
	struct span site = authority_of(x->target.url);
	if (x->site != NULL)
		buf_add(&base, x->target.url, (size_t)(site.at + site.len - x->target.url));
	else
		buf_adds(&base, origin);
	int rc = location_destination(buf_str(&ours), as_origin, origin, buf_str(&base), value, &mapped, fault);
	if (rc == 0 && mapped.value != NULL) {
		free(x->destination);
		free(x->destination_key);
		x->destination = mapped.value;
		x->destination_key = mapped.key;
		if (set_field(head, "Destination", span_of(mapped.value)) != 0)
			rc = -1;
	}
	/* An origin without a path has nothing that Destination could lead out of. It judges another server itself. */
	if (rc != 0 && fault->status == 502 && x->site == NULL && strchr(strstr(origin, "://") + 3, '/') == NULL)
		rc = 0;
	buf_fini(&ours);
	buf_fini(&base);
	return rc;
}

int origin_fields_rewrite(struct exchange *x, struct head *head, struct fault *fault)
{
	bool reverse = x->target.form == KEY_REVERSE;
	bool moves = span_is(head->method, "COPY") || span_is(head->method, "MOVE");
	*fault = (struct fault){503, "out of memory: try again later"};
	if (reverse && x->site == NULL) {
		struct span host;
		site_target_host(head, &x->client, &host, &x->secure);
	} else if (!reverse) {
		x->secure = x->target.secure;
	}
	struct span host = public_host(x);
	remove_fields(head, x->client.front, x->site != NULL || has_names(x));
	if (x->target.url != NULL && x->context->sends_forwarded && add_forwarded(x, head, host) != 0)
		return -1;
	return reverse && moves && message_has(head, "Destination") ? map_destination(x, head, host, fault) : 0;
}

void origin_fields_end(struct exchange *x)
{
	free(x->forwarded);
	free(x->destination);
	free(x->destination_key);
	x->forwarded = x->destination = x->destination_key = NULL;
}

#include "proxy/site_target.h"

#include "fetch/named_sites.h"
#include "http/forwarded.h"
#include "http/url.h"
#include "proxy/options.h"
#include "proxy/purge_handler.h"

#include <stdio.h>
#include <stdlib.h>

void site_target_host(const struct head *head, const struct client *client, struct span *host, bool *secure)
{
	struct forwarded_url url;
	*host = message_find(head, "Host");
	*secure = false;
	if (!client->front)
		return;
	forwarded_url(head, &url);
	if (url.host.at != NULL)
		*host = url.host;
	*secure = span_is_nocase(url.proto, "https");
}

/* Adds the origin of a public URL: lower case, no dot at the end, no default port. 0, or -1: that is no host. */
static int add_origin(struct span host, bool secure, struct buf *out, struct url *url)
{
	struct buf text;
	size_t name = host.len > 0 && host.at[0] == '[' ? host.len : url_until(host, ":");
	bool dot = name > 1 && host.at[name - 1] == '.';
	buf_init(&text, BUF_HEAD);
	buf_addf(&text, "http%s://", secure ? "s" : "");
	buf_add(&text, host.at, name - dot);
	buf_addspan(&text, span_from(host, name));
	bool plain = host.len > 0 && url_until(host, "/?#@") == host.len;
	int rc = plain && !text.failed ? url_parse(buf_span(&text), false, url) : -1;
	if (rc == 0)
		url_add_origin(out, url);
	buf_fini(&text);
	return rc;
}

static int refuse(struct exchange *x, int status, struct fault *fault, char *why)
{
	key_fini(&x->target);
	x->target.form = KEY_REVERSE;
	free(x->site_why);
	x->site_why = why;
	*fault = (struct fault){status, why != NULL ? why : "out of memory"};
	return -1;
}

/* Dot segments must not lead out of the path of a backend. */
static bool climbs(const struct named_site *site, const char *key)
{
	bool has_path = false;
	for (unsigned i = 0; i < site->backend_count; i++)
		has_path = has_path || strchr(strstr(site->backends[i].url, "://") + 3, '/') != NULL;
	if (!has_path)
		return false;
	const char *path = strstr(key, "://") + 3;
	path += strcspn(path, "/?");
	char *only = strndup(path, strcspn(path, "?"));
	bool yes = only == NULL || url_climbs(only);
	free(only);
	return yes;
}

static char *unknown(struct span host)
{
	char *why = NULL;
	if (host.len == 0)
		return strdup("a request without Host names no site of this server");
	int n = asprintf(&why, "%.*s is not a site of this server (name it with --origin NAME=URL)",
	    (int)(host.len > 200 ? 200 : host.len), host.at);
	return n < 0 ? NULL : why;
}

static int read_target(
    struct exchange *x, struct span host, struct span method, struct span target, struct fault *fault)
{
	const struct context *s = x->context;
	struct key_settings settings = x->options->key_settings;
	struct url url;
	struct buf origin;
	url_init(&url);
	buf_init(&origin, BUF_HEAD);
	if (add_origin(host, x->secure, &origin, &url) == 0)
		x->site = named_sites_find(s->sites, span_of(url.host));
	else
		buf_adds(&origin, "http://localhost");
	settings.origin = buf_str(&origin);
	int rc = key_of_target(&settings, method, target, &x->target, fault);
	if (rc == 0 && x->target.form != KEY_OWN && x->site == NULL)
		rc = refuse(x, 421, fault, unknown(host));
	else if (rc == 0 && x->target.form != KEY_OWN && climbs(x->site, x->target.url))
		rc = refuse(x, 400, fault, strdup("the path leads out of the path of --origin"));
	else if (rc != 0)
		x->target.form = KEY_REVERSE;
	buf_fini(&origin);
	url_fini(&url);
	return rc;
}

int site_target_read(struct exchange *x, struct fault *fault)
{
	struct span target = x->request->target, host, rest = target;
	bool secure;
	site_target_host(x->request, &x->client, &host, &x->secure);
	/* RFC 9112 3.2.2: the host of an absolute target overrides Host. RFC 9110 7.4: its scheme must be true. */
	if (url_take_scheme(&rest, &secure)) {
		host = span_make(rest.at, url_until(rest, "/?#"));
		if (purge_is(x)) /* it names what is stored, whatever connection it comes over */
			x->secure = secure;
		if (secure && !x->secure)
			return refuse(x, 421, fault, strdup("https URLs of this server need a connection with TLS"));
	} else {
		x->site_host = host;
	}
	return read_target(x, host, x->request->method, target, fault);
}

int site_target_of_url(struct exchange *x, const char *url, struct fault *fault)
{
	struct span rest = span_of(url);
	if (!url_take_scheme(&rest, &x->secure))
		return refuse(x, 400, fault, strdup("give the whole URL: http://HOST/PATH"));
	return read_target(
	    x, span_make(rest.at, url_until(rest, "/?#")), x->request->method, x->request->target, fault);
}

void site_target_end(struct exchange *x)
{
	free(x->site_why);
	x->site_why = NULL;
}

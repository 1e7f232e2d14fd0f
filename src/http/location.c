#include "http/location.h"

#include "http/key.h"
#include "http/url.h"

#include <stdlib.h>

/* The text, given away; NULL when it did not fit. */
static char *finish(struct buf *out)
{
	char *text = out->failed ? NULL : buf_take(out);
	buf_fini(out);
	return text;
}

static int refuse(struct fault *fault, int status, const char *why)
{
	*fault = (struct fault){status, why};
	return -1;
}

/* Reads the target of a Location. 0, or -1. */
static int resolve_location(const char *base, struct span location, struct url *url)
{
	char *resolved = key_resolve(base, location);
	int result = resolved == NULL ? -1 : url_parse(span_of(resolved), true, url);
	free(resolved);
	return result;
}

/* The fragment of a redirect is for the client, and is kept (RFC 9110 10.2.2). */
static void add_fragment(struct buf *out, struct span location)
{
	location = span_trim(location);
	if (url_add_written(span_from(location, url_until(location, "#")), true, out) != 0)
		out->failed = true;
}

char *location_for_prefix(const char *default_scheme, const char *base, struct span location)
{
	struct url url;
	struct buf out;
	url_init(&url);
	buf_init(&out, BUF_HEAD);
	if (resolve_location(base, location, &url) != 0)
		out.failed = true;
	else {
		buf_addc(&out, '/');
		if (url.secure == (strcmp(default_scheme, "https") == 0))
			url_add_authority(&out, &url);
		else
			url_add_origin(&out, &url);
		url_add_path(&out, &url);
		add_fragment(&out, location);
	}
	url_fini(&url);
	return finish(&out);
}

/* Our path for a path of the origin; NULL when that is outside of the path of --origin. The path of --origin itself is
 * only
 * "/". */
static const char *our_path(const struct url *home, const char *path)
{
	struct span base = url_base_path(home);
	if (strncmp(path, base.at, base.len) != 0 || (path[base.len] != '/' && path[base.len] != '\0'))
		return NULL;
	return path[base.len] == '\0' ? "/" : path + base.len;
}

/* Two slashes at the beginning would mean a host (RFC 3986 4.2). The client removes a dot segment before them. */
static void add_our_path(struct buf *out, const char *path, const struct url *url, struct span location)
{
	buf_adds(out, out->len == 0 && path[0] == '/' && path[1] == '/' ? "/." : "");
	buf_adds(out, path);
	buf_addspan(out, buf_span(&url->query));
	add_fragment(out, location);
}

char *location_for_reverse(const char *origin, const char *base, struct span location)
{
	struct url home, url;
	struct buf out;
	url_init(&home);
	url_init(&url);
	buf_init(&out, BUF_HEAD);
	const char *path = NULL;
	if (url_parse(span_of(origin), true, &home) == 0 && resolve_location(base, location, &url) == 0 &&
	    url_same_origin(&home, &url))
		path = our_path(&home, url.path);
	if (path != NULL) {
		add_our_path(&out, path, &url, location);
	} else {
		out.failed = true;
	}
	url_fini(&home);
	url_fini(&url);
	return finish(&out);
}

static bool has_default_port(const struct url *url)
{
	return url->port == (url->secure ? 443 : 80);
}

/* The same host, and the same port or the default port of another scheme. */
static bool same_host(const struct url *a, const struct url *b)
{
	return strcmp(a->host, b->host) == 0 && (a->port == b->port || (has_default_port(a) && has_default_port(b)));
}

static void map_site_location(
    const struct url *home, const struct url *site, const struct url *to, struct span location, struct buf *out)
{
	const char *path = our_path(home, to->path);
	bool own_port = strcmp(to->host, site->host) == 0 && to->port == home->port && to->secure == home->secure &&
			!has_default_port(to);
	if (path == NULL ||
	    (!url_same_origin(home, to) && !own_port && (!same_host(to, site) || url_base_path(home).len == 0))) {
		out->failed = true;
		return;
	}
	if (!url_same_origin(home, to) && !own_port)
		url_add_origin(out, to);
	add_our_path(out, path, to, location);
}

char *location_for_site(const char *backend, const char *key, struct span location)
{
	struct url home, site, to;
	struct buf out, base;
	url_init(&home);
	url_init(&site);
	url_init(&to);
	buf_init(&out, BUF_HEAD);
	buf_init(&base, BUF_HEAD);
	buf_adds(&base, backend);
	if (url_parse(span_of(backend), true, &home) == 0 && url_parse(span_of(key), true, &site) == 0) {
		url_add_path(&base, &site);
		if (resolve_location(buf_str(&base), location, &to) == 0)
			map_site_location(&home, &site, &to, location, &out);
	}
	out.failed = out.failed || out.len == 0;
	buf_fini(&base);
	url_fini(&home);
	url_fini(&site);
	url_fini(&to);
	return finish(&out);
}

int location_destination(const char *ours, const char *as_origin, const char *origin, const char *key_base,
    struct span value, struct location_destination *out, struct fault *fault)
{
	struct url site, host, home, to;
	struct buf text, key;
	url_init(&site);
	url_init(&host);
	url_init(&home);
	url_init(&to);
	buf_init(&text, BUF_HEAD);
	buf_init(&key, BUF_HEAD);
	*out = (struct location_destination){NULL, NULL};
	int rc = -1;
	char *resolved = key_resolve(ours, value);
	bool read = resolved != NULL && url_parse(span_of(ours), true, &site) == 0 &&
		    url_parse(span_of(as_origin), true, &host) == 0 && url_parse(span_of(origin), true, &home) == 0 &&
		    url_parse(span_of(resolved), true, &to) == 0;
	if (!read || !same_host(&to, &site)) {
		refuse(fault, 502, "Destination names another server (RFC 4918 9.9.4)");
	} else if (url_base_path(&home).len > 0 && url_climbs(to.path)) {
		refuse(fault, 400, "Destination leads out of the path of --origin");
	} else {
		buf_adds(&text, home.secure ? "https://" : "http://");
		url_add_authority(&text, &host);
		buf_addspan(&text, url_base_path(&home));
		url_add_path(&text, &to);
		buf_adds(&key, key_base);
		url_add_path(&key, &to);
		out->value = text.failed ? NULL : buf_take(&text);
		out->key = key.failed ? NULL : buf_take(&key);
		rc = 0;
	}
	free(resolved);
	buf_fini(&text);
	buf_fini(&key);
	url_fini(&site);
	url_fini(&host);
	url_fini(&home);
	url_fini(&to);
	return rc;
}

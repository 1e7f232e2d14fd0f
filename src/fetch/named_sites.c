/*
 * The sites of one reading of the options are a list that does not change. A new reading puts another list in its
 * place; the old ones are kept, because fetches in progress point to their sites.
 */
#include "fetch/named_sites.h"

#include "base/log.h"
#include "http/key.h"
#include "http/location.h"
#include "http/url.h"

#include <stdlib.h>
#include <string.h>

struct site_list {
	struct named_site *first, **last;
	struct site_list *older;
};

struct named_sites {
	struct site_list *_Atomic now;
};

/* --- reading --- */

bool named_sites_is_named(const char *text)
{
	size_t n = strcspn(text, "=/");
	return text[n] == '=';
}

struct named_sites *named_sites_new(void)
{
	struct named_sites *sites = calloc(1, sizeof *sites);
	struct site_list *list = calloc(1, sizeof *list);
	if (sites == NULL || list == NULL) {
		free(sites);
		free(list);
		return NULL;
	}
	list->last = &list->first;
	atomic_init(&sites->now, list);
	return sites;
}

static void free_site(struct named_site *site)
{
	for (unsigned i = 0; i < site->backend_count; i++)
		free(site->backends[i].url);
	free(site->backends);
	free(site->name);
	free(site);
}

static void free_list(struct site_list *list)
{
	for (struct named_site *site = list->first, *next; site != NULL; site = next) {
		next = site->next;
		free_site(site);
	}
	free(list);
}

void named_sites_free(struct named_sites *sites)
{
	if (sites == NULL)
		return;
	for (struct site_list *list = atomic_load(&sites->now), *older; list != NULL; list = older) {
		older = list->older;
		free_list(list);
	}
	free(sites);
}

void named_sites_replace(struct named_sites *sites, struct named_sites *fresh)
{
	struct site_list *list = atomic_load(&fresh->now);
	list->older = atomic_load(&sites->now);
	atomic_store_explicit(&sites->now, list, memory_order_release);
	free(fresh);
}

/* The one spelling of a host without a port. NULL: it is none. */
static char *read_host(struct span text)
{
	if (text.len > 1 && text.at[text.len - 1] == '.')
		text.len--;
	bool ported = text.len > 0 && text.at[0] != '[' && memchr(text.at, ':', text.len) != NULL;
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] >= 128) /* clients send such a name in its form xn-- (RFC 5890 2.3.2.1) */
			return NULL;
	return ported || url_until(text, "/?#@ ") != text.len ? NULL : url_host(text);
}

/* "shop.example", "*.example" or "*". */
static char *read_name(struct span text)
{
	struct buf name;
	if (span_is(text, "*"))
		return strdup("*");
	bool wild = span_starts(text, "*.");
	char *host = read_host(wild ? span_from(text, 2) : text);
	if (host == NULL || !wild)
		return host;
	buf_init(&name, BUF_LINE);
	buf_addf(&name, "*.%s", host);
	free(host);
	char *whole = name.failed ? NULL : buf_take(&name);
	buf_fini(&name);
	return whole;
}

/* A URL that a site is fetched from. NULL: it is none. */
static char *read_backend(struct span text)
{
	char *copy = strndup(text.at, text.len);
	char *url = copy != NULL && text.len > 0 ? key_normalise(copy, "http") : NULL;
	free(copy);
	if (url != NULL && strchr(url, '?') != NULL) {
		free(url);
		return NULL;
	}
	for (size_t n = url != NULL ? strlen(url) : 0; n > 0 && url[n - 1] == '/'; n--)
		url[n - 1] = '\0';
	return url;
}

static int add_backends(struct named_site *site, const char *urls, struct buf *why)
{
	for (const char *at = urls;; at++) {
		size_t n = strcspn(at, ",");
		if (site->backend_count == NAMED_SITES_BACKENDS) {
			buf_addf(why, "too many URLs (%d at most)", NAMED_SITES_BACKENDS);
			return -1;
		}
		char *url = read_backend(span_trim(span_make(at, n)));
		if (url == NULL) {
			buf_addf(why,
			    "'%.*s' is not an http or https URL without a query (give one such as "
			    "http://127.0.0.1:8080)",
			    (int)n, at);
			return -1;
		}
		site->backends[site->backend_count++].url = url;
		at += n;
		if (*at == '\0')
			return 0;
	}
}

int named_sites_add(struct named_sites *sites, const char *text, struct buf *why)
{
	struct site_list *list = atomic_load(&sites->now);
	size_t n = strcspn(text, "=");
	struct named_site *site = calloc(1, sizeof *site);
	if (site == NULL || (site->backends = calloc(NAMED_SITES_BACKENDS, sizeof *site->backends)) == NULL) {
		free(site);
		buf_adds(why, "out of memory");
		return -1;
	}
	site->name = read_name(span_trim(span_make(text, n)));
	if (site->name == NULL) {
		buf_addf(why,
		    "'%.*s' is not the name of a site (give a host in ASCII without a port, *.example for the "
		    "hosts below it, or * for the rest)",
		    (int)n, text);
	} else if (add_backends(site, text[n] == '=' ? text + n + 1 : "", why) == 0) {
		for (const struct named_site *other = list->first; other != NULL; other = other->next)
			if (strcmp(other->name, site->name) == 0) {
				buf_addf(why, "the site %s is named twice (separate its URLs by commas: %s=URL,URL)",
				    site->name, site->name);
				free_site(site);
				return -1;
			}
		*list->last = site;
		list->last = &site->next;
		return 0;
	}
	free_site(site);
	return -1;
}

/* --- finding --- */

/* How well a name fits a host: 0 not at all; the more, the better. An exact name fits best. */
static size_t fit(const char *name, struct span host)
{
	size_t n = strlen(name);
	if (name[0] != '*')
		return span_is(host, name) ? SIZE_MAX : 0;
	if (n == 1)
		return 1;
	bool below = host.len > n - 1 && memcmp(host.at + host.len - (n - 1), name + 1, n - 1) == 0;
	return below ? n : 0;
}

const struct named_site *named_sites_find(const struct named_sites *sites, struct span host)
{
	const struct named_site *best = NULL;
	size_t best_fit = 0;
	const struct site_list *list = atomic_load_explicit(&sites->now, memory_order_acquire);
	for (const struct named_site *site = list->first; site != NULL; site = site->next) {
		size_t now = fit(site->name, host);
		if (now > best_fit) {
			best = site;
			best_fit = now;
		}
	}
	return best;
}

const struct named_site *named_sites_of_url(const struct named_sites *sites, const char *url)
{
	struct span rest = span_of(url);
	bool secure;
	if (sites == NULL || !url_take_scheme(&rest, &secure))
		return NULL;
	const char *bracket = rest.len > 0 && rest.at[0] == '[' ? memchr(rest.at, ']', rest.len) : NULL;
	size_t n = bracket != NULL ? (size_t)(bracket + 1 - rest.at) : url_until(rest, ":/?");
	return named_sites_find(sites, span_make(rest.at, n));
}

void named_sites_each(const struct named_sites *sites, void (*each)(void *ctx, const struct named_site *), void *ctx)
{
	const struct site_list *list = atomic_load_explicit(&sites->now, memory_order_acquire);
	for (const struct named_site *site = list->first; site != NULL; site = site->next)
		each(ctx, site);
}

/* --- backends --- */

static bool is_up(const struct backend *b, int64_t now_ms)
{
	return now_ms >= atomic_load_explicit(&b->left_out_until_ms, memory_order_relaxed);
}

int named_site_choose(const struct named_site *site, unsigned tried, int64_t now_ms)
{
	int untried = -1;
	for (int i = (int)site->backend_count - 1; i >= 0; i--)
		if ((tried & (1u << i)) == 0)
			untried = i;
	for (int i = 0; i < (int)site->backend_count; i++)
		if ((tried & (1u << i)) == 0 && is_up(&site->backends[i], now_ms))
			return i;
	return untried;
}

void named_site_failed(const struct named_site *site, int backend, int64_t now_ms, const char *why)
{
	struct backend *b = &site->backends[backend];
	if (is_up(b, now_ms) && site->backend_count > 1)
		log_trouble("backend", "--origin %s: %s: %s (for %d seconds, its other URLs are asked)", site->name,
		    b->url, why, NAMED_SITES_PAUSE_MS / 1000);
	atomic_store_explicit(&b->left_out_until_ms, now_ms + NAMED_SITES_PAUSE_MS, memory_order_relaxed);
}

char *named_site_url(const struct backend *b, const char *key)
{
	char *url = NULL;
	const char *host = strstr(key, "://");
	const char *path = host != NULL ? host + 3 + strcspn(host + 3, "/?") : "/";
	struct buf whole;
	buf_init(&whole, BUF_HEAD);
	buf_adds(&whole, b->url);
	buf_adds(&whole, path);
	url = whole.failed ? NULL : buf_take(&whole);
	buf_fini(&whole);
	return url;
}

char *named_sites_resolve(const struct named_sites *sites, const char *key, struct span reference)
{
	const struct named_site *site = named_sites_of_url(sites, key);
	char *mapped = NULL;
	for (unsigned i = 0; site != NULL && i < site->backend_count && mapped == NULL; i++)
		mapped = location_for_site(site->backends[i].url, key, reference);
	char *url = key_resolve(key, mapped != NULL ? span_of(mapped) : reference);
	free(mapped);
	return url;
}

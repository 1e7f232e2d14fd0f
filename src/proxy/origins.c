#include "proxy/origins.h"

#include "base/log.h"
#include "fetch/named_sites.h"
#include "http/key.h"
#include "store/inspect.h"

#include <stdlib.h>
#include <string.h>

/* A URL without a name. */
static int read_plain(const struct conf *conf, size_t i, char **plain, struct buf *why)
{
	const char *text = conf_item(conf, "origin", i), *first = conf_item(conf, "origin", 0);
	if (*plain != NULL && strcmp(text, first) == 0)
		return 0;
	if (*plain != NULL) {
		buf_addf(why, "%s: given twice, '%s' and '%s' (give one)", conf_called(conf, "origin", i), first, text);
		return -1;
	}
	*plain = key_normalise(text, "http");
	if (*plain == NULL) {
		buf_addf(why, "%s: '%s' is not an http or https URL (give one such as http://127.0.0.1:8080)",
		    conf_called(conf, "origin", i), text);
		return -1;
	}
	size_t n = strlen(*plain);
	if (n > 0 && (*plain)[n - 1] == '/')
		(*plain)[n - 1] = '\0';
	return 0;
}

static int read_named(const struct conf *conf, size_t i, struct named_sites **sites, struct buf *why)
{
	struct buf cause;
	buf_init(&cause, BUF_LINE);
	if (*sites == NULL)
		*sites = named_sites_new();
	int rc = *sites != NULL ? named_sites_add(*sites, conf_item(conf, "origin", i), &cause) : -1;
	if (rc != 0)
		buf_addf(why, "%s %s: %s", conf_called(conf, "origin", i), conf_item(conf, "origin", i),
		    *sites != NULL ? buf_str(&cause) : "out of memory");
	buf_fini(&cause);
	return rc;
}

int origins_read(const struct conf *conf, char **plain, struct named_sites **sites, struct buf *why)
{
	const char *text;
	*plain = NULL;
	*sites = NULL;
	for (size_t i = 0; (text = conf_item(conf, "origin", i)) != NULL; i++) {
		bool named = named_sites_is_named(text);
		if ((named ? read_named(conf, i, sites, why) : read_plain(conf, i, plain, why)) != 0)
			return -1;
		if (*plain == NULL || *sites == NULL)
			continue;
		buf_addf(why,
		    "%s %s: a URL without a name cannot be used with named sites (to serve the rest of the hosts, name "
		    "it *: '*=URL')",
		    conf_called(conf, "origin", i), text);
		return -1;
	}
	return 0;
}

int origins_replace(const struct conf *conf, const char *plain, struct named_sites *sites, struct buf *why)
{
	char *new_plain;
	struct named_sites *new_sites;
	int rc = origins_read(conf, &new_plain, &new_sites, why);
	bool same = plain == NULL ? new_plain == NULL : new_plain != NULL && strcmp(plain, new_plain) == 0;
	if (rc == 0 && (!same || (sites == NULL) != (new_sites == NULL)))
		log_say("%s: a change of this kind takes effect at the next start (named sites can change at any time)",
		    conf_given(conf, "origin") ? conf_called(conf, "origin", 0) : "origin");
	else if (rc == 0 && sites != NULL) {
		named_sites_replace(sites, new_sites);
		new_sites = NULL;
	}
	named_sites_free(new_sites);
	free(new_plain);
	return rc;
}

struct search {
	const char *backend; /* the URL that a site should have */
	const char *name;    /* of a site that has it */
	const char *only;    /* of the only site with the name of a host */
	bool seen;
};

/* The site of exactly that server, or else the only site; "*.example" and "*" are no hosts. */
static void look(void *ctx, const struct named_site *site)
{
	struct search *s = ctx;
	if (site->name[0] == '*')
		return;
	s->only = s->only == NULL && !s->seen ? site->name : NULL;
	s->seen = true;
	for (unsigned i = 0; i < site->backend_count && s->name == NULL; i++)
		if (strcmp(site->backends[i].url, s->backend) == 0)
			s->name = site->name;
}

void origins_add_rekey(const struct named_sites *sites, const char *dir, const char *mode, struct buf *why)
{
	static const char option[] = " --origin ";
	struct inspect g;
	struct buf ignored;
	buf_init(&ignored, BUF_LINE);
	const char *was = inspect_open(&g, dir, &ignored) == 0 ? strstr(g.mode, option) : NULL;
	const char *now = strstr(mode, option);
	size_t before = was != NULL ? (size_t)(was - g.mode) : 0;
	if (was != NULL && now != NULL && (size_t)(now - mode) == before && strncmp(mode, g.mode, before) == 0 &&
	    !named_sites_is_named(was + sizeof option - 1)) {
		char *origin = strdup(was + sizeof option - 1);
		struct search s = {.backend = origin != NULL ? origin : ""};
		named_sites_each(sites, look, &s);
		if (s.name == NULL)
			s.name = s.only;
		buf_addf(why, "; this converts it: curlew rekey %s/ http://%s/ --cache %s", s.backend,
		    s.name != NULL ? s.name : "NAME", dir);
		if (s.name == NULL)
			buf_adds(why, " (NAME is the site whose responses it has)");
		free(origin);
	}
	inspect_close(&g);
	buf_fini(&ignored);
}

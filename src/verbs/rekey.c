/* rekey OLD-URL NEW-URL: stored responses get other URLs, and a cache of one origin becomes one of named sites. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "fetch/named_sites.h"
#include "http/key.h"
#include "index/rekeying.h"
#include "store/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 8 }; /* a running server may store more meanwhile */

struct rekey {
	const char *dir;
	char *from, *to;       /* without a slash at the end */
	char *mode, *new_mode; /* how the cache was filled, and how it will count as filled; NULL: that stays */
	char *origin;          /* of mode, with new_mode */
	unsigned servers;
	int64_t rows, left;
	bool marked;
};

/* A URL of the command line without a slash at its end. NULL: it is none (reported). */
static char *read_url(const struct conf *conf, size_t i)
{
	char *url = key_normalise(conf_operand(conf, i), "http");
	if (url == NULL || strchr(url, '?') != NULL) {
		log_say(
		    "rekey: '%s' is not an http or https URL without a query (give one such as http://shop.example/)",
		    conf_operand(conf, i));
		free(url);
		return NULL;
	}
	for (size_t n = strlen(url); n > 0 && url[n - 1] == '/'; n--)
		url[n - 1] = '\0';
	return url;
}

static bool is_inside(const char *url, const char *base)
{
	size_t n = strlen(base);
	return strncmp(url, base, n) == 0 && (url[n] == '/' || url[n] == '\0');
}

static int read_urls(struct rekey *r, const struct conf *conf)
{
	if (conf_operands(conf) != 2) {
		log_say("rekey: two URLs are needed, the old one and the new one (see `curlew rekey --help`)");
		return -1;
	}
	r->from = read_url(conf, 0);
	r->to = r->from != NULL ? read_url(conf, 1) : NULL;
	if (r->to == NULL)
		return -1;
	if (!is_inside(r->to, r->from))
		return 0;
	if (strcmp(r->to, r->from) == 0)
		log_say("rekey: both URLs are %s/ (give the new one second)", r->to);
	else
		log_say("rekey: %s/ is below %s/, so it would be moved again without end (use another new URL)", r->to,
		    r->from);
	return -1;
}

/* A cache that was filled with --origin URL becomes one of named sites when nothing of that origin is left. */
static int read_mode(struct rekey *r, struct buf *why)
{
	static const char option[] = " --origin ";
	struct inspect g;
	int rc = inspect_open(&g, r->dir, why);
	const char *at = rc == 0 ? strstr(g.mode, option) : NULL;
	if (at != NULL && !named_sites_is_named(at + sizeof option - 1)) {
		const char *origin = at + sizeof option - 1;
		size_t n = strcspn(origin, " \n");
		r->origin = strndup(origin, n);
		r->mode = strdup(g.mode);
		if (r->origin == NULL || r->mode == NULL ||
		    asprintf(&r->new_mode, "%.*sNAME=URL%s", (int)(origin - g.mode), g.mode, origin + n) < 0) {
			buf_adds(why, "out of memory");
			rc = -1;
		}
	}
	r->servers = g.servers;
	inspect_close(&g);
	return rc;
}

static void show_progress(void *ctx, size_t done, size_t count)
{
	(void)ctx;
	fprintf(stderr, "\r%zu of %zu ", done, count);
	if (done == count)
		fputs("\r\033[K", stderr);
}

static int change(struct rekey *r, struct buf *why)
{
	int rc = 0;
	r->left = 1;
	for (int round = 0; round < ROUNDS && r->left > 0 && rc == 0; round++) {
		int64_t changed = 0, marked = 0;
		rc = rekeying_rows(
		    r->dir, r->from, r->to, isatty(STDERR_FILENO) ? show_progress : NULL, NULL, &changed, why);
		r->rows += changed;
		if (rc == 0 && r->new_mode != NULL)
			rc = rekeying_mode(r->dir, r->origin, r->mode, r->new_mode, &marked, why);
		r->marked = r->marked || marked > 0;
		if (rc == 0)
			rc = rekeying_count(r->dir, r->from, &r->left, why);
	}
	return rc;
}

static void report(const struct rekey *r, bool dry, bool json)
{
	if (json)
		printf("{\"rows\": %" PRId64 ", \"dry_run\": %s}\n", r->rows, dry ? "true" : "false");
	else if (isatty(STDOUT_FILENO))
		printf("%" PRId64 " %s %s a new URL\n", r->rows, r->rows == 1 ? "response" : "responses",
		    dry ? "would get" : "got");
	else
		printf("%s\t%" PRId64 "\n", dry ? "would be rekeyed" : "rekeyed", r->rows);
	if (r->marked)
		log_say("rekey: this cache is of named sites now (serve it with --origin NAME=URL)");
	if (r->new_mode != NULL && !r->marked && !dry)
		log_say("rekey: responses of %s/ are left, so this cache still belongs to --origin %s", r->origin,
		    r->origin);
	if (r->new_mode != NULL && r->servers > 0 && !dry)
		log_say(
		    "rekey: a server of --origin %s is running and stores more under the old URLs (stop it, and run "
		    "rekey again)",
		    r->origin);
}

static int run(struct rekey *r, const struct conf *conf)
{
	struct buf why;
	bool dry = conf_flag(conf, "dry-run");
	buf_init(&why, BUF_LINE);
	r->dir = conf_cache_dir(conf);
	int rc = r->dir != NULL ? read_mode(r, &why) : -1;
	if (rc == 0)
		rc = dry ? rekeying_count(r->dir, r->from, &r->rows, &why) : change(r, &why);
	bool nothing = rc == 0 && r->rows == 0 && !r->marked;
	if (rc != 0 && why.len > 0)
		log_say("rekey: %s", buf_str(&why));
	else if (nothing)
		log_say("rekey: nothing is stored under %s/", r->from);
	if (rc == 0 && (!nothing || conf_flag(conf, "json")))
		report(r, dry, conf_flag(conf, "json"));
	buf_fini(&why);
	return rc != 0 ? VERB_ERROR : nothing ? VERB_NOTHING : VERB_DONE;
}

int verb_rekey(int argc, char **argv)
{
	int status;
	struct rekey r = {.dir = NULL};
	struct conf *conf = conf_parse(CONF_REKEY, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = read_urls(&r, conf) == 0 ? run(&r, conf) : VERB_USAGE;
	free(r.from);
	free(r.to);
	free(r.mode);
	free(r.new_mode);
	free(r.origin);
	conf_free(conf);
	return status;
}

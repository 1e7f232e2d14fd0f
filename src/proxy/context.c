/*
 * Things are opened in the order in which they need each other, and closed in the reverse order. context_close() works
 * on a context that was opened in part: every member is NULL, -1 or zero until it is opened.
 */
#include "proxy/context.h"

#include "base/log.h"
#include "fetch/named_sites.h"
#include "fetch/parent.h"
#include "proxy/options.h"
#include "proxy/origins.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static int open_allow(struct context *s, struct buf *why)
{
	s->allow = allow_new();
	if (s->allow == NULL) {
		buf_adds(why, "--allow-to: out of memory");
		return -1;
	}
	struct buf cause;
	int rc = 0;
	buf_init(&cause, BUF_LINE);
	for (size_t i = 0; rc == 0 && conf_item(s->conf, "allow-to", i) != NULL; i++)
		if ((rc = allow_add(s->allow, conf_item(s->conf, "allow-to", i), &cause)) != 0)
			buf_addf(why, "%s: %s", conf_called(s->conf, "allow-to", i), buf_str(&cause));
	buf_fini(&cause);
	return rc;
}

static int read_parent(struct context *s, struct buf *why)
{
	const char *url = conf_text(s->conf, "parent"), *proxy = conf_text(s->conf, "proxy"), *fault;
	if (url == NULL)
		return 0;
	if (s->sites != NULL) {
		buf_addf(why, "%s %s: cannot be used with named sites, which have servers of their own",
		    conf_called(s->conf, "parent", 0), url);
		return -1;
	}
	if (proxy != NULL && proxy[0] != '\0') {
		buf_addf(why, "%s %s: cannot be used with --proxy (give one of them)",
		    conf_called(s->conf, "parent", 0), url);
		return -1;
	}
	s->parent = parent_new(url, &fault);
	if (s->parent == NULL)
		buf_addf(why, "%s %s: %s", conf_called(s->conf, "parent", 0), url, fault);
	return s->parent == NULL ? -1 : 0;
}

/* The targeted fields in order of priority (RFC 9213 2.2): our own, those of --targets, and, with --origin, the one
 * that all CDNs share. */
static int read_targets(struct context *s, struct buf *why)
{
	static const char own[] = "Curlew-Cache-Control", cdn[] = "CDN-Cache-Control";
	size_t n = 0;
	const char *name;
	s->targets[n++] = own;
	for (size_t i = 0; (name = conf_item(s->conf, "targets", i)) != NULL; i++) {
		if (n == CONTEXT_TARGETS - 1) {
			buf_addf(why, "%s %s: too many (%d at most)", conf_called(s->conf, "targets", i), name,
			    CONTEXT_TARGETS - 2);
			return -1;
		}
		s->targets[n++] = name;
	}
	if (s->origin != NULL || s->sites != NULL)
		s->targets[n++] = cdn;
	s->policy.targets = s->targets;
	s->policy.target_count = n;
	return 0;
}

/* What needs no files and no other thread. */
static int read_values(struct context *s, struct buf *why)
{
	return open_allow(s, why) != 0 || origins_read(s->conf, &s->origin, &s->sites, why) != 0 ||
		       read_parent(s, why) != 0 || read_targets(s, why) != 0
		   ? -1
		   : 0;
}

static void free_values(struct context *s)
{
	allow_free(s->allow);
	parent_free(s->parent);
	free(s->origin);
	named_sites_free(s->sites);
}

int context_check(const struct conf *conf)
{
	struct context s = {.conf = conf};
	struct buf why;
	buf_init(&why, BUF_LINE);
	int rc = options_check(conf);
	if (rc == 0 && (rc = read_values(&s, &why)) != 0)
		log_say("%s", buf_str(&why));
	free_values(&s);
	buf_fini(&why);
	return rc;
}

/* The settings that decide what the cache may contain. They are recorded in the cache, and a server with other settings
 * refuses to use it. */
static void describe_mode(const struct context *s, struct buf *mode)
{
	const char *name;
	buf_adds(mode, s->policy.private_cache ? "--private" : "shared");
	for (size_t i = 0; (name = conf_item(s->conf, "targets", i)) != NULL; i++)
		buf_addf(mode, " --targets %s", name);
	if (s->origin != NULL)
		buf_addf(mode, " --origin %s", s->origin);
	if (s->sites != NULL) /* which sites there are makes no difference */
		buf_adds(mode, " --origin NAME=URL");
}

/* `get` without a usable cache directory (a read-only home, a full disk) works with an empty temporary one. NULL: that
 * cannot be made either. */
static char *make_spare_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *spare = NULL;
	if (asprintf(&spare, "%s/curlew-XXXXXX", tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp") < 0)
		return NULL;
	if (mkdtemp(spare) == NULL) {
		free(spare);
		return NULL;
	}
	return spare;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
	(void)s;
	(void)kind;
	(void)at;
	return remove(path);
}

static struct store_limits store_limits_of(const struct conf *conf)
{
	return (struct store_limits){
	    .size_bytes = conf_number(conf, "size"),
	    .max_entries = conf_number(conf, "max-entries"),
	    .min_free_bytes = conf_number(conf, "min-free"),
	    .min_free_percent = conf_percent(conf, "min-free"),
	};
}

static int open_store(struct context *s, bool serving, struct buf *why)
{
	bool unreachable = false;
	struct buf mode;
	buf_init(&mode, BUF_LINE);
	describe_mode(s, &mode);
	struct store_config config = {
	    .dir = conf_cache_dir(s->conf),
	    .limits = store_limits_of(s->conf),
	    .mode = buf_str(&mode),
	    .unreachable = &unreachable,
	};
	if (!serving && store_can_be_in(config.dir) < 0) {
		unreachable = true;
		buf_addf(why, "%s: cannot be used as a cache directory: %s (--cache DIR names another)", config.dir,
		    strerror(errno));
	} else {
		s->store = store_open(&config, why);
		if (s->store == NULL && !unreachable && s->sites != NULL)
			origins_add_rekey(s->sites, config.dir, config.mode, why);
	}
	if (!serving && unreachable && (s->spare_dir = make_spare_dir()) != NULL) {
		log_say("%s", buf_str(why));
		log_say("get: continuing without a cache");
		buf_clear(why);
		config.dir = s->spare_dir;
		s->store = store_open(&config, why);
	}
	buf_fini(&mode);
	return s->store == NULL ? -1 : 0;
}

static struct flight_limits flight_limits_of(const struct conf *conf)
{
	int64_t size = conf_number(conf, "size"), max_body = conf_number(conf, "max-body");
	bool by_size = size > 0 && (max_body == 0 || size < max_body);
	return (struct flight_limits){
	    .max_body = by_size ? size : max_body,
	    .too_large = by_size ? "larger than the whole cache may be (--size)" : "larger than --max-body",
	    .collapse_wait_s = conf_seconds(conf, "collapse-wait"),
	    .connect_timeout_s = conf_seconds(conf, "connect-timeout"),
	    .origin_timeout_s = conf_seconds(conf, "origin-timeout"),
	};
}

static int open_flights(struct context *s, struct buf *why)
{
	struct flight_config config = {
	    .engine =
		{
		    .proxy = conf_text(s->conf, "proxy"),
		    .parent = s->parent,
		    .cacert = conf_text(s->conf, "cacert"),
		    .allow = s->allow,
		    .offline = s->offline,
		},
	    .store = s->store,
	    .policy = s->policy,
	    .compress = s->compress,
	    .limits = flight_limits_of(s->conf),
	    .sites = s->sites,
	    .trusted = s->origin != NULL,
	};
	if (config.engine.cacert != NULL && access(config.engine.cacert, R_OK) != 0) {
		buf_addf(why, "--cacert %s: %s (give a readable PEM file)", config.engine.cacert, strerror(errno));
		return -1;
	}
	s->flights = flight_open(&config, why);
	return s->flights == NULL ? -1 : 0;
}

int context_open(struct context *s, const struct conf *conf, struct buf *why)
{
	const char *root = conf_is(conf, CONF_SERVE) ? conf_text(conf, "root") : NULL;
	memset(s, 0, sizeof *s);
	s->conf = conf;
	root_open(&s->root, NULL, NULL, why);
	s->offline = conf_flag(conf, "offline");
	s->compress = conf_is(conf, CONF_SERVE) && conf_flag(conf, "compress");
	s->keeps_tags = conf_flag(conf, "keep-tags");
	s->policy.private_cache = conf_flag(conf, "private");
	unsigned char id[4];
	if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
		memset(id, 0, sizeof id);
	snprintf(s->via, sizeof s->via, "curlew-%02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
	int status = read_values(s, why) != 0 ? 2 : 0;
	const char *forwarded = conf_text(conf, "forwarded");
	s->sends_forwarded = forwarded != NULL ? strcmp(forwarded, "on") == 0 : s->origin != NULL || s->sites != NULL;
	if (status == 0 && (open_store(s, conf_is(conf, CONF_SERVE), why) != 0 ||
			       root_open(&s->root, root, conf_cache_dir(conf), why) != 0 || open_flights(s, why) != 0))
		status = 1;
	if (status == 0 && options_replace(s, conf, why) != 0)
		status = 1;
	if (status != 0)
		context_close(s);
	return status;
}

void context_set_limits(const struct context *s, const struct conf *conf)
{
	const struct store_limits store = store_limits_of(conf);
	const struct flight_limits flights = flight_limits_of(conf);
	store_set_limits(s->store, &store);
	flight_set_limits(s->flights, &flights);
}

int context_replace_allow(const struct context *s, const struct conf *conf, struct buf *why)
{
	struct context fresh = {.conf = conf};
	if (open_allow(&fresh, why) != 0) {
		allow_free(fresh.allow);
		return -1;
	}
	allow_replace(s->allow, fresh.allow);
	return 0;
}

void context_close(struct context *s)
{
	if (s->store != NULL)
		store_hurry(s->store); /* flight_close() waits for the writer, which must not pause now */
	flight_close(s->flights);
	if (s->store != NULL)
		store_close(s->store);
	if (s->spare_dir != NULL)
		nftw(s->spare_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(s->spare_dir);
	free_values(s);
	root_close(&s->root);
	options_free(s);
	memset(s, 0, sizeof *s);
}

#include "proxy/options.h"

#include "base/log.h"
#include "net/listeners.h"
#include "proxy/origins.h"
#include "proxy/server_names.h"
#include "proxy/upgrade.h"
#include "proxy/users.h"

#include <stdlib.h>

static int check_users(const struct conf *conf)
{
	const char *path = conf_text(conf, "users");
	struct buf why;
	buf_init(&why, BUF_LINE);
	struct users *users = path != NULL ? users_open(path, &why) : NULL;
	if (why.len > 0)
		log_say("%s", buf_str(&why));
	users_free(users);
	buf_fini(&why);
	return path != NULL && users == NULL ? -1 : 0;
}

int options_check(const struct conf *conf)
{
	return listeners_check(conf) != 0 || server_names_check(conf) != 0 || upgrade_check(conf) != 0 ||
		       check_users(conf) != 0
		   ? -1
		   : 0;
}

int options_replace(struct context *context, const struct conf *conf, struct buf *why)
{
	struct options *s = calloc(1, sizeof *s);
	if (s == NULL) {
		buf_adds(why, "settings: out of memory");
		return -1;
	}
	const char *users = conf_text(conf, "users");
	if (users != NULL && (s->users = users_open(users, why)) == NULL) {
		free(s);
		return -1;
	}
	if (atomic_load(&context->options) != NULL &&
	    origins_replace(conf, context->origin, context->sites, why) != 0) {
		users_free(s->users);
		free(s);
		return -1;
	}
	s->conf = conf;
	s->allowed = conf_given(conf, "allow-from") ? conf_cidrs(conf, "allow-from") : NULL;
	s->fronts = conf_cidrs(conf, "trust-forwarded");
	s->header_from = conf_cidrs(conf, "proxy-protocol-from");
	limits_read(conf, &s->limits);
	s->head_timeout_s = conf_seconds(conf, "head-timeout");
	s->idle_timeout_s = conf_seconds(conf, "idle-timeout");
	s->thread_wait_s = conf_seconds(conf, "thread-wait");
	s->min_rate = conf_number(conf, "min-rate");
	s->prefix_cookies = conf_flag(conf, "prefix-cookies");
	s->prefix_sandbox = strcmp(conf_text(conf, "prefix-sandbox"), "on") == 0;
	s->key_settings.default_scheme = conf_text(conf, "default-scheme");
	s->key_settings.origin = context->origin;
	s->key_settings.own_pages = conf_given(conf, "admin-from");
	s->older = atomic_load(&context->options);
	atomic_store_explicit(&context->options, s, memory_order_release);
	return 0;
}

void options_free(struct context *context)
{
	struct options *older, *s = atomic_exchange(&context->options, NULL);
	for (; s != NULL; s = older) {
		older = s->older;
		if (older != NULL)
			conf_free((struct conf *)s->conf);
		users_free(s->users);
		free(s);
	}
}

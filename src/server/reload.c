/*
 * Everything that can fail comes first, and changes nothing: an error in the file, a log that cannot be opened.
 */
#include "server/reload.h"

#include "base/log.h"
#include "net/listeners.h"
#include "proxy/access.h"
#include "proxy/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void report_kept(const char *called)
{
	log_say("%s changed: takes effect at the next start", called);
}

/* True when the new settings may take the place of the old ones. */
static bool check(const struct context *context, const struct conf *conf)
{
	return context_check(conf) == 0 &&
	       access_check_exposure(conf, !listeners_are_loopback(context->listeners)) == 0;
}

static bool open_log(const struct conf *conf)
{
	const char *path = conf_text(conf, "access-log");
	if (log_access_open(path) == 0)
		return true;
	log_say("%s %s: %s (still writing to the old file)", conf_called(conf, "access-log", 0), path, strerror(errno));
	return false;
}

/* True when conf is owned by the context now. */
static bool replace(struct context *context, const struct conf *conf)
{
	struct buf why;
	buf_init(&why, BUF_LINE);
	bool done = context_replace_allow(context, conf, &why) == 0 && options_replace(context, conf, &why) == 0;
	if (done) {
		context_set_limits(context, conf);
		listeners_set_send_timeout(context->listeners, conf_seconds(conf, "send-timeout"));
	}
	if (!done)
		log_say("%s", buf_str(&why));
	buf_fini(&why);
	return done;
}

bool reload(struct context *context)
{
	const struct conf *old = options_now(context)->conf;
	struct conf *conf = conf_parse_again(old);
	bool right = conf != NULL && check(context, conf);
	enum conf_change change = right ? conf_replaces(conf, old, report_kept) : CONF_NO_MEMORY;
	right = change != CONF_NO_MEMORY && open_log(conf);
	/* A file of users may have changed although its name has not. */
	if (right && (change == CONF_CHANGED || conf_given(conf, "users"))) {
		right = replace(context, conf);
		if (right) {
			reload_note_settings(context);
			log_say("the settings were read again");
			return true;
		}
	}
	if (!right) {
		log_say("the settings stay as they were (correct the error, then send SIGHUP again)");
		log_access_open(conf_text(old, "access-log"));
	}
	conf_free(conf);
	return right;
}

static void add_setting(void *ctx, const char *name, const char *value, const char *source)
{
	(void)source;
	/* The reader may have another working directory. */
	char *place = strcmp(name, "root") == 0 ? realpath(value, NULL) : NULL;
	if (value[0] != '\0' && strcmp(name, "listen") != 0)
		buf_addf(ctx, "%s %s\n", name, place != NULL ? place : value);
	free(place);
}

void reload_note_settings(const struct context *context)
{
	const struct listeners *l = context->listeners;
	struct buf settings;
	buf_init(&settings, BUF_PAGE);
	char name[LISTENERS_NAME];
	/* Those with a port come first: a URL of the server itself is recognised by it. */
	for (int with_port = 1; with_port >= 0; with_port--)
		for (size_t i = 0; i < l->admin_first; i++)
			if (listeners_name(l->fds[i], name) == 0 &&
			    (strncmp(name, "unix:", 5) != 0) == (with_port == 1))
				buf_addf(&settings, "listen %s\n", name);
	conf_each(options_now(context)->conf, add_setting, &settings);
	store_note_server(context->store, buf_str(&settings));
	buf_fini(&settings);
}

/*
 * options: the options that hold now, and what is made of them once instead of for every request.
 *
 * A struct options is made from a conf and does not change. The context points to the one that holds now;
 * options_replace() puts another in its place while the server runs (SIGHUP). A request keeps the one that it began
 * with (exchange->options), and an event loop takes the one that holds at each wake-up. Nobody counts who uses an old
 * one: all of them live until the end, and a SIGHUP that changes nothing makes none.
 *
 * An option takes part by its flag CONF_RELOADS in the table of options, if it is read from options->conf or from a
 * member here. Options without the flag have the same value in every options->conf, the one of the start.
 */
#ifndef CURLEW_PROXY_OPTIONS_H
#define CURLEW_PROXY_OPTIONS_H

#include "base/conf.h"
#include "proxy/context.h"
#include "proxy/limits.h"

struct options {
	const struct conf *conf;
	const struct cidr_list *allowed;       /* --allow-from; NULL: everybody */
	const struct cidr_list *fronts;        /* --trust-forwarded */
	const struct cidr_list *header_from;   /* --proxy-protocol-from */
	struct users *users;                   /* --users; NULL: no passwords */
	struct limits limits;                  /* of connections, requests and bytes */
	double head_timeout_s, idle_timeout_s; /* of a connection that waits */
	double thread_wait_s;                  /* how long a request waits for a thread before it gets a 503 */
	int64_t min_rate;                      /* bytes a second, while threads are short; 0: none */
	struct key_settings key_settings;
	bool prefix_cookies;   /* cookies pass in requests by prefix too */
	bool prefix_sandbox;   /* documents requested by prefix are sandboxed (browser.h) */
	struct options *older; /* those that it replaced */
};

/* The part of context_check() that concerns these options. 0, or -1 after an error was reported. */
int options_check(const struct conf *);

/* Makes a conf the one that holds. The first conf must outlive the context; later ones are owned by it. 0, or -1 with a
 * sentence in why; then nothing has changed, and conf is still the caller's. The main thread. */
int options_replace(struct context *, const struct conf *, struct buf *why);
/* Frees all of them. No other thread may use the context any more. */
void options_free(struct context *);
/* The one that holds now; it stays valid until options_free(). Any thread. */
static inline const struct options *options_now(const struct context *context)
{
	return atomic_load_explicit(&context->options, memory_order_acquire);
}

#endif

/*
 * url_argument: the URL of a command line, looked up as a request would look it up: key, rules, rows, variant and
 * verdict. explain, cat and show use it. One thread.
 */
#ifndef CURLEW_VERBS_URL_ARGUMENT_H
#define CURLEW_VERBS_URL_ARGUMENT_H

#include "base/conf.h"
#include "http/policy.h"
#include "http/request_directives.h"
#include "proxy/selection.h"
#include "store/inspect.h"

enum { URL_ARGUMENT_TARGETS = 16 };

struct url_argument {
	struct inspect glimpse;
	char *url;        /* as a server would read it */
	char *key;        /* the key in the cache: url, unless a rule leaves parameters out */
	char *normal;     /* the normal URL of the key, which all its spellings share */
	int64_t key_rule; /* that rule; 0: none */
	struct buf request_text;
	struct head request;
	struct policy policy;
	const char *targets[URL_ARGUMENT_TARGETS];
	char *mode_words; /* targets point into it */
	char *origin;     /* --origin of the cache, or NULL */
	bool named_sites; /* it was filled with --origin NAME=URL: its URLs are those that clients use */
	struct request_directives demand;
	struct rule_decision decision;
	struct selection lookup;
	int64_t now;
};

/* Reads -H of the command line, and how the cache is run. VERB_DONE, or the exit status after an error (reported).
 * url_argument_end() is allowed after both. */
int url_argument_begin(struct url_argument *, const struct conf *, const char *verb);
void url_argument_end(struct url_argument *);
/* Looks the URL of the command line up. Returns the same. */
int url_argument_url(struct url_argument *, const struct conf *, const char *verb);
/* True when the --root of the running server has a file for this URL. The server then sends the file, whatever is
 * stored. */
bool url_argument_is_file(const struct url_argument *, const struct conf *);
/* False when a server of named sites is running, and the URL is of none of them. After url_argument_url(). */
bool url_argument_is_served(const struct url_argument *);
/* Selects the variant for the request, into lookup.entry. Once. */
void url_argument_choose(struct url_argument *);
/* One setting of the running server; NULL: no server runs, or it does not have the setting. The caller frees it. */
char *url_argument_server(const struct url_argument *, const char *name);

#endif

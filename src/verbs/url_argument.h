/*
 * ask: a question about one URL as a request would put it: its key, the rules, the rows, the variant and the verdict.
 * For explain, cat and show.
 */
#ifndef CURLEW_VERBS_URL_ARGUMENT_H
#define CURLEW_VERBS_URL_ARGUMENT_H

#include "base/conf.h"
#include "http/policy.h"
#include "http/request_directives.h"
#include "proxy/selection.h"
#include "store/inspect.h"

enum { ASK_TARGETS = 16 };

struct url_argument {
	struct inspect glimpse;
	char *url;        /* as asked */
	char *key;        /* what the cache calls it: url, unless a rule leaves parameters out */
	char *normal;     /* the normal URL of the key, which all its spellings share */
	int64_t key_rule; /* that rule; 0: none */
	struct buf request_text;
	struct head request;
	struct policy policy;
	const char *targets[ASK_TARGETS];
	char *mode_words; /* targets point into it */
	char *origin;     /* --origin of the cache, or NULL */
	struct request_directives demand;
	struct rule_decision decision;
	struct selection lookup;
	int64_t now;
};

/* Reads -H of the command line, and how the cache is run. VERB_DONE, or the exit status after having said why not;
 * url_argument_end() is always allowed. */
int url_argument_begin(struct url_argument *, const struct conf *, const char *verb);
void url_argument_end(struct url_argument *);
/* Looks the command line's URL up. Likewise. */
int url_argument_url(struct url_argument *, const struct conf *, const char *verb);
/* True when the --root of the running server holds what is asked for: then that is the answer, whatever is stored. */
bool url_argument_is_file(const struct url_argument *, const struct conf *);
/* Selects the variant for the request, into lookup.entry. Once. */
void url_argument_choose(struct url_argument *);
/* One setting of the server that is running; NULL: none is, or it has no such. The caller's to free. */
char *url_argument_server(const struct url_argument *, const char *name);

#endif

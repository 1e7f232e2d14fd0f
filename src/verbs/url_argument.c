#include "verbs/url_argument.h"

#include "base/log.h"
#include "fetch/named_sites.h"
#include "http/key.h"
#include "http/policy.h"
#include "http/request_directives.h"
#include "http/site.h"
#include "proxy/exchange.h"
#include "verbs/header_option.h"
#include "verbs/verbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* mode: "shared --targets X --origin URL", as in store_config.mode. */
static void read_mode(struct url_argument *a)
{
	a->mode_words = strdup(a->glimpse.mode);
	a->policy = (struct policy){.targets = a->targets};
	a->targets[a->policy.target_count++] = "Curlew-Cache-Control";
	char *rest = NULL, *what = NULL;
	for (char *word = strtok_r(a->mode_words, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
		if (what != NULL && strcmp(what, "--targets") == 0 && a->policy.target_count < URL_ARGUMENT_TARGETS - 1)
			a->targets[a->policy.target_count++] = word;
		else if (what != NULL && strcmp(what, "--origin") == 0 && named_sites_is_named(word))
			a->named_sites = true;
		else if (what != NULL && strcmp(what, "--origin") == 0)
			a->origin = word;
		else if (strcmp(word, "--private") == 0)
			a->policy.private_cache = true;
		what = word;
	}
	if (a->origin != NULL || a->named_sites)
		a->targets[a->policy.target_count++] = "CDN-Cache-Control";
}

static int read_request(struct url_argument *a, const struct conf *conf, const char *verb)
{
	struct fault fault;
	if (!header_option_check(conf, verb))
		return -1;
	buf_adds(&a->request_text, "GET / HTTP/1.1\r\n");
	for (size_t i = 0; conf_item(conf, "header", i) != NULL; i++)
		buf_addf(&a->request_text, "%s\r\n", conf_item(conf, "header", i));
	buf_adds(&a->request_text, "Host: localhost\r\n\r\n");
	if (message_parse_request(&a->request, buf_span(&a->request_text), &fault) == MESSAGE_WHOLE)
		return 0;
	log_say("%s: --header: %s", verb, fault.why);
	return -1;
}

char *url_argument_server(const struct url_argument *a, const char *name)
{
	size_t n = strlen(name);
	for (const char *line = a->glimpse.server; line != NULL && *line != '\0';) {
		size_t len = strcspn(line, "\n");
		if (len > n && strncmp(line, name, n) == 0 && line[n] == ' ')
			return strndup(line + n + 1, len - n - 1);
		line += len + (line[len] == '\n');
	}
	return NULL;
}

/* Reads the URL of the command line as the target of a request. key_fini() is allowed after success and failure. */
static int read_target(const struct url_argument *a, const char *text, struct key_target *target, const char **why)
{
	char *scheme = url_argument_server(a, "default-scheme"), *path = NULL;
	struct key_settings settings = {.default_scheme = scheme != NULL ? scheme : "http", .origin = a->origin};
	struct fault fault = {0, "out of memory"};
	int rc = -1;
	*target = (struct key_target){0};
	if (asprintf(&path, "/%s", text + (text[0] == '/')) > 0)
		rc = key_of_target(&settings, span_of("GET"), span_of(path), target, &fault);
	free(path);
	free(scheme);
	*why = fault.why;
	return rc;
}

bool url_argument_is_file(const struct url_argument *a, const struct conf *conf)
{
	const char *fault;
	char *root = url_argument_server(a, "root");
	struct key_target target = {0};
	struct root files;
	struct stat st;
	struct buf why;
	bool index;
	int fd = -1;
	buf_init(&why, BUF_LINE);
	if (root_open(&files, root, conf_cache_dir(conf), &why) == 0 && root != NULL && !a->named_sites) {
		read_target(a, conf_operand(conf, 0), &target, &fault);
		if (target.form == KEY_PREFIX && target.path != NULL)
			fd = root_open_file(&files, target.path, &st, &index);
		key_fini(&target);
	}
	root_close(&files);
	buf_fini(&why);
	free(root);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The port of the running server, with its colon, at the end of this address; NULL: it has none. */
static const char *port_in(const char *listen)
{
	return listen != NULL && strncmp(listen, "unix:", 5) != 0 ? strrchr(listen, ':') : NULL;
}

/* The path of a URL of the running server itself, pasted from a browser or a curl command; NULL: another URL. */
static const char *path_of_own_url(const struct url_argument *a, const char *url)
{
	static const char *const names[] = {"http://localhost:", "http://127.0.0.1:", "http://[::1]:"};
	char *listen = url_argument_server(a, "listen");
	const char *port = port_in(listen), *path = NULL;
	for (size_t i = 0; port != NULL && i < sizeof names / sizeof names[0] && path == NULL; i++) {
		const char *at = url + strlen(names[i]);
		if (strncmp(url, names[i], strlen(names[i])) == 0 && strncmp(at, port + 1, strlen(port + 1)) == 0 &&
		    at[strlen(port + 1)] == '/')
			path = at + strlen(port + 1);
	}
	free(listen);
	return path;
}

/* The real URL of a normalised URL on LABEL.localhost, pasted from a browser; NULL: another URL. The caller frees it.
 */
static char *of_site(const struct url_argument *a, const char *url)
{
	char *listen = url_argument_server(a, "listen");
	const char *port = port_in(listen);
	char *real = port != NULL && a->origin == NULL ? site_reveal(span_of(url), span_of(port)) : NULL;
	free(listen);
	return real;
}

/* Reads the text as the server would: a path of its origin, a URL as a person types it, or a URL of the server itself.
 */
static char *read_url(const struct url_argument *a, const char *text, const char **why)
{
	*why = "not a URL that can be stored (http or https, with a host)";
	if (a->named_sites && text[0] == '/') {
		*why = "this cache is of named sites (give the whole URL: http://HOST/PATH)";
		return NULL;
	}
	char *scheme = url_argument_server(a, "default-scheme");
	struct key_target target;
	char *url =
	    a->origin != NULL && text[0] == '/' ? strdup(text) : key_of_url(text, scheme != NULL ? scheme : "http");
	if (a->named_sites) {
		free(scheme);
		return url;
	}
	char *real = url != NULL ? of_site(a, url) : NULL;
	if (real != NULL) {
		free(url);
		url = real;
	}
	const char *path = url != NULL && url[0] == '/' ? url : url != NULL ? path_of_own_url(a, url) : NULL;
	free(scheme);
	if (path == NULL)
		return url;
	char *meant = NULL;
	if (read_target(a, path, &target, why) == 0) {
		meant = target.url;
		target.url = NULL;
	}
	key_fini(&target);
	free(url);
	return meant;
}

int url_argument_begin(struct url_argument *a, const struct conf *conf, const char *verb)
{
	struct buf why;
	memset(a, 0, sizeof *a);
	buf_init(&a->request_text, BUF_HEAD);
	message_init(&a->request);
	selection_init(&a->lookup);
	a->now = (int64_t)time(NULL);
	if (conf_operands(conf) != 1) {
		log_say("%s: one URL is needed (see `curlew %s --help`)", verb, verb);
		return VERB_USAGE;
	}
	if (read_request(a, conf, verb) != 0)
		return VERB_USAGE;
	buf_init(&why, BUF_LINE);
	int rc = inspect_open(&a->glimpse, conf_cache_dir(conf), &why);
	if (rc != 0)
		log_say("%s: %s", verb, buf_str(&why));
	buf_fini(&why);
	if (rc != 0)
		return VERB_ERROR;
	read_mode(a);
	return VERB_DONE;
}

int url_argument_url(struct url_argument *a, const struct conf *conf, const char *verb)
{
	const char *why;
	a->url = read_url(a, conf_operand(conf, 0), &why);
	if (a->url == NULL) {
		log_say("%s: %s: %s", verb, conf_operand(conf, 0), why);
		return VERB_USAGE;
	}
	char *key = rules_key(a->glimpse.rules, a->url, &a->key_rule);
	a->key = key != NULL ? key : strdup(a->url);
	a->normal = a->key != NULL ? key_normalise(a->key, "http") : NULL;
	if (a->normal == NULL) {
		log_say("%s: out of memory", verb);
		return VERB_ERROR;
	}
	rules_judge(a->glimpse.rules, a->key, 0, &a->decision);
	request_directives_read(&a->request, &a->demand);
	if (inspect_rows(&a->glimpse, a->key, &a->lookup.rows) == INDEX_BROKEN)
		return VERB_ERROR;
	return VERB_DONE;
}

bool url_argument_is_served(const struct url_argument *a)
{
	static const char option[] = "origin ";
	struct span rest = span_of(a->glimpse.server != NULL ? a->glimpse.server : ""), line;
	struct named_sites *sites = a->named_sites && rest.len > 0 ? named_sites_new() : NULL;
	struct buf ignored;
	if (sites == NULL)
		return true;
	buf_init(&ignored, BUF_LINE);
	while (span_next_line(&rest, &line)) {
		char *value = span_starts(line, option)
				  ? strndup(line.at + sizeof option - 1, line.len - (sizeof option - 1))
				  : NULL;
		if (value != NULL)
			named_sites_add(sites, value, &ignored);
		free(value);
	}
	bool served = named_sites_of_url(sites, a->key) != NULL;
	buf_fini(&ignored);
	named_sites_free(sites);
	return served;
}

void url_argument_choose(struct url_argument *a)
{
	struct rule_decision room;
	selection_choose(&a->lookup, &a->request);
	if (a->lookup.entry != NULL)
		a->decision = *rules_for_status(&a->decision, a->key, a->lookup.entry->status, &room);
}

void url_argument_end(struct url_argument *a)
{
	selection_fini(&a->lookup);
	inspect_close(&a->glimpse);
	message_fini(&a->request);
	buf_fini(&a->request_text);
	free(a->mode_words);
	free(a->url);
	free(a->key);
	free(a->normal);
}

#include "verbs/header_option.h"

#include "base/log.h"
#include "http/message.h"

#include <string.h>
#include <strings.h>

/* Fields that -H must not set (RFC 9110 7.2, RFC 9112 6), and why. */
static const struct {
	const char *name, *why;
} decided[] = {
    {"Host", "the URL decides the host (give another URL)"},
    {"Content-Length", "the request has no body (leave it out)"},
    {"Transfer-Encoding", "the request has no body (leave it out)"},
    {"Upgrade", "curlew does not change the protocol (leave it out)"},
};

static bool is_value(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++)
		if ((*c < ' ' && *c != '\t') || *c == 127)
			return false;
	return true;
}

bool header_option_check(const struct conf *conf, const char *verb)
{
	for (size_t i = 0; conf_item(conf, "header", i) != NULL; i++) {
		const char *line = conf_item(conf, "header", i);
		size_t n = strcspn(line, ":");
		if (line[n] != ':' || !message_is_token(span_make(line, n)) || !is_value(line + n + 1)) {
			log_say("%s: --header: '%s' is not understood (give 'Name: value')", verb, line);
			return false;
		}
		for (size_t k = 0; k < sizeof decided / sizeof decided[0]; k++)
			if (strlen(decided[k].name) == n && strncasecmp(line, decided[k].name, n) == 0) {
				log_say("%s: --header: %s: %s", verb, decided[k].name, decided[k].why);
				return false;
			}
	}
	return true;
}

#include "verbs/listing.h"
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/column.h"
#include "net/listeners.h"
#include "proxy/access.h"

#include <stdio.h>
#include <unistd.h>

static void print_text(void *ctx, const char *name, const char *value, const char *source)
{
	(void)ctx;
	if (isatty(STDOUT_FILENO))
		printf("%-18s %-34s %s\n", name, value[0] != '\0' ? value : "-", source);
	else
		printf("%s\t%s\t%s\n", name, value, source);
}

static void print_quoted(const char *text)
{
	listing_json(stdout, &(struct index_column){.text = text});
}

static void print_json(void *ctx, const char *name, const char *value, const char *source)
{
	bool *first = ctx;
	fputs(*first ? "[\n  {\"name\": " : ",\n  {\"name\": ", stdout);
	*first = false;
	print_quoted(name);
	fputs(", \"value\": ", stdout);
	print_quoted(value);
	fputs(", \"source\": ", stdout);
	print_quoted(source);
	printf(", \"reload\": %s}", conf_reloads(name) ? "true" : "false");
}

/* As `serve` would check it, without the sockets, the cache and the network. Returns the exit status. */
static int check(const struct conf *conf)
{
	bool right = context_check(conf) == 0 && access_check_exposure(conf, listeners_reach_beyond(conf)) == 0;
	return right ? 0 : 2;
}

int verb_config(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_CONFIG, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = 0;
	bool first = true;
	if (conf_operands(conf) > 0) {
		log_say("config: %s: not expected (see `curlew config --help`)", conf_operand(conf, 0));
		status = 2;
	} else if (conf_given(conf, "check")) {
		status = check(conf);
	} else if (conf_flag(conf, "json")) {
		conf_each(conf, print_json, &first);
		puts("\n]");
	} else {
		conf_each(conf, print_text, NULL);
	}
	conf_free(conf);
	return status;
}

#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "verbs/table.h"

#include <stdio.h>
#include <string.h>

/* What a pipe gets are these columns in this order; new ones may only come before the URL, which is always last. */
static const struct table_column columns[] = {
    {"STATE", TABLE_TEXT, 13},
    {"STATUS", TABLE_NUMBER, 6},
    {"SIZE", TABLE_BYTES, 10},
    {"AGE", TABLE_SPAN, 9},
    {"HITS", TABLE_NUMBER, 6},
    {"PIN", TABLE_FLAG, 3},
    {"TAG", TABLE_TEXT, 8},
    {"URL", TABLE_TEXT, 0},
};

#define QUESTION                                                                                                       \
	"SELECT CASE WHEN unixepoch() < fresh_until THEN 'fresh' WHEN unixepoch() < stale_until THEN 'stale, usable' "     \
	"ELSE 'stale' END AS state, status, body_bytes, unixepoch() - fetched_at + initial_age_s AS age_s, hits, pinned, tag, url " \
	"FROM entry "

static int list(const char *dir, const char *glob, const char *host, bool json)
{
	/* Four questions and not one with (?1 IS NULL OR ...), so that a host is found by its index. */
	const char *sql = host != NULL ? (glob != NULL ? QUESTION "WHERE host = ?2 AND url GLOB ?1 ORDER BY url, vary"
						       : QUESTION "WHERE host = ?2 AND ?1 IS NULL ORDER BY url, vary")
				       : (glob != NULL ? QUESTION "WHERE url GLOB ?1 AND ?2 IS NULL ORDER BY url, vary"
						       : QUESTION "WHERE ?1 IS NULL AND ?2 IS NULL ORDER BY url, vary");
	const char *params[] = {glob, host};
	struct table t;
	struct buf why;
	buf_init(&why, BUF_LINE);
	table_begin(&t, stdout, table_style_for(stdout, json), columns, sizeof columns / sizeof columns[0]);
	int rc = store_query(dir, sql, params, 2, table_row, &t, &why);
	long rows = table_end(&t);
	if (rc != 0)
		log_say("%s", buf_str(&why));
	else if (rows == 0 && glob == NULL && host == NULL)
		log_say("ls: nothing is stored in %s", dir);
	else if (rows == 0)
		log_say("ls: nothing stored matches%s%s%s%s (a glob is matched with the whole URL: '*word*')", glob != NULL ? " " : "",
		    glob != NULL ? glob : "", host != NULL ? " --host " : "", host != NULL ? host : "");
	buf_fini(&why);
	return rc != 0 ? VERB_TROUBLE : rows == 0 ? VERB_NOTHING : VERB_DONE;
}

int verb_ls(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_LS, argc, argv, &status);
	if (conf == NULL)
		return status;
	if (conf_operands(conf) > 1) {
		log_say("ls: one GLOB at most (put it in quotes, so that the shell leaves it alone)");
		status = VERB_USAGE;
	} else {
		status = list(conf_cache_dir(conf), conf_operand(conf, 0), conf_text(conf, "host"), conf_flag(conf, "json"));
	}
	conf_free(conf);
	return status;
}

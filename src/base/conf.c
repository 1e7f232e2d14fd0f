/*
 * The table below is the whole truth about options; everything else here walks it. A value is kept as the text it was
 * given as (all of them for a list), with its source, and checked by type the moment it arrives, so that a mistake is
 * reported by the name it was made under. Reading in order default, file, environment, flag lets each later source win.
 */
#include "base/conf_internal.h"

#include "base/log.h"
#include "base/units.h"

#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FETCHES = CONF_SERVE | CONF_GET,
	CHANGES = CONF_PURGE | CONF_PIN | CONF_UNPIN,
	SELECTS = CONF_LS | CHANGES,
	LOOKS = CONF_SHOW | CONF_CAT | CONF_STATS | CONF_EXPLAIN | CONF_GC | CONF_VERIFY | CONF_SQL | CONF_BACKUP |
		CONF_RESTORE | CONF_RULE,
	CACHES = CONF_SERVE | CONF_GET | SELECTS | LOOKS | CONF_CONFIG,
	SETTINGS = CONF_SERVE | CONF_CONFIG,
	TABLES = SELECTS | CONF_SHOW | CONF_STATS | CONF_CONFIG | CONF_RULE | CONF_EXPLAIN | CONF_VERIFY
};

const struct conf_row conf_table[] = {
    {"listen", 0, LIST, SETTINGS, "ADDR:PORT", "127.0.0.1:8899",
	"where to listen (repeatable; port 0 picks one and prints it)"},
    {"admin-listen", 0, ONCE, SETTINGS, "ADDR:PORT|unix:PATH", NULL,
	"serve /.curlew/, and nothing else, there; to whoever can connect"},
    {"cache", 0, TEXT, CACHES, "DIR", NULL, "cache directory ($XDG_CACHE_HOME/curlew or ~/.cache/curlew)"},
    {"root", 0, ONCE, SETTINGS, "DIR", NULL, "serve /name from DIR when it holds such a file"},
    {"origin", 0, ONCE, SETTINGS | CONF_GET, "URL", NULL,
	"be a reverse proxy of this one origin (get: use the cache of one)"},
    {"private", 0, FLAG, FETCHES | CONF_CONFIG, NULL, NULL,
	"one user's cache: may keep private and authorised answers"},
    {"targets", 0, LIST, FETCHES | CONF_CONFIG, "[FIELD]", NULL,
	"obey FIELD, or CDN-Cache-Control, before Cache-Control (repeatable; RFC 9213)"},
    {"default-scheme", 0, TEXT, FETCHES | CONF_CONFIG, "SCHEME", "http", "http or https, for /host/path"},
    {"size", 0, BYTES, FETCHES | CONF_CONFIG, "BYTES", "10G", "quota of the bodies (suffixes K M G T; 0: none)"},
    {"max-entries", 0, COUNT, FETCHES | CONF_CONFIG, "N", "0", "quota of stored responses (0: none)"},
    {"min-free", 0, SHARE, FETCHES | CONF_CONFIG, "SHARE", "5%",
	"leave so much of the disk free: 5% or 2G (0: do not care)"},
    {"max-body", 0, BYTES, FETCHES | CONF_CONFIG, "BYTES", "0", "larger bodies are not stored (0: no limit)"},
    {"allow-to", 0, LIST, FETCHES | CONF_CONFIG, "LIST", NULL,
	"non-public addresses that may be fetched from: loopback, private, CIDRs, each with :PORT if only that"},
    {"head-timeout", 0, SECONDS, SETTINGS, "SECONDS", "10", "for a client to send a whole request head"},
    {"body-timeout", 0, SECONDS, SETTINGS, "SECONDS", "60", "for a client to send the next piece of a request body"},
    {"idle-timeout", 0, SECONDS, SETTINGS, "SECONDS", "60", "for a client to send its next request"},
    {"send-timeout", 0, SECONDS, SETTINGS, "SECONDS", "60", "for a client to take the next piece of an answer"},
    {"threads", 0, COUNT, SETTINGS, "N", "8192", "requests at work at a time, besides hits from memory; more wait"},
    {"thread-wait", 0, SECONDS, SETTINGS, "SECONDS", "10",
	"how long a request waits for a thread before it gets a 503"},
    {"min-rate", 0, BYTES, SETTINGS, "BYTES", "500",
	"while more than half of the threads are busy, cut connections that move less in a second (0: never)"},
    {"connect-timeout", 0, SECONDS, FETCHES | CONF_CONFIG, "SECONDS", "10",
	"for an origin to accept a connection, name look-up included"},
    {"origin-timeout", 0, SECONDS, FETCHES | CONF_CONFIG, "SECONDS", "60",
	"for an origin to send its whole head, then each next piece"},
    {"collapse-wait", 0, SECONDS, SETTINGS, "SECONDS", "5",
	"how long a request waits for another's fetch of a URL before one more is started"},
    {"offline", 0, FLAG, FETCHES | CONF_CONFIG, NULL, NULL, "never touch the network: what is not stored is 504"},
    {"access-log", 0, TEXT, SETTINGS, "FILE", "off", "a file, - for stdout, or off"},
    {"connect-ports", 0, TEXT, SETTINGS, "PORTS", "443", "ports that CONNECT may reach, separated by commas, or none"},
    {"server-name", 0, LIST, SETTINGS, "NAME", NULL, "a further name of this server (repeatable)"},
    {"prefix-cookies", 0, FLAG, SETTINGS, NULL, NULL,
	"let cookies pass between browsers and /host/path, where all sites share them"},
    {"prefix-sandbox", 0, TEXT, SETTINGS, "on|off", "on",
	"sandbox fetched documents that a browser sees at /host/path"},
    {"proxy", 'x', ONCE, FETCHES | CONF_CONFIG, "URL", NULL, "fetch through this upstream proxy"},
    {"cacert", 0, TEXT, FETCHES | CONF_CONFIG, "FILE", NULL, "trust these certificates (PEM) instead of the system's"},
    {"drain", 0, SECONDS, SETTINGS, "SECONDS", "10", "how long SIGTERM lets running answers finish"},
    {"config", 0, TEXT, FETCHES | CONF_CONFIG, "FILE", NULL, "read options from FILE, one `name value` a line"},
    {"output", 'o', ONCE, CONF_GET, "FILE", NULL,
	"write the body to FILE, which is replaced only when the body is complete"},
    {"include", 'i', FLAG, CONF_GET, NULL, NULL, "print the head before the body"},
    {"head", 'I', FLAG, CONF_GET, NULL, NULL, "ask for the head alone"},
    {"header", 'H', LIST, CONF_GET | CONF_EXPLAIN | CONF_CAT | CONF_SHOW, "LINE", NULL,
	"a request field, 'Name: value' (repeatable)"},
    {"silent", 's', FLAG, CONF_GET, NULL, NULL, "no progress bar and no error messages"},
    {"verbose", 'v', FLAG, CONF_GET, NULL, NULL, "print both heads on stderr"},
    {"location", 'L', FLAG, CONF_GET, NULL, NULL, "follow redirects"},
    {"fail", 'f', FLAG, CONF_GET, NULL, NULL, "exit 22 and print no body on status 400 and above"},
    {"max-time", 'm', SECONDS, CONF_GET, "SECONDS", "0", "give up after so long (0: never)"},
    {"host", 0, ONCE, SELECTS, "HOST", NULL, "only this host's"},
    {"tag", 0, ONCE, SELECTS, "TAG", NULL, "only what carries this tag, by itself or by a rule"},
    {"stale", 0, FLAG, SELECTS, NULL, NULL, "only what is stale"},
    {"larger-than", 0, BYTES, SELECTS, "BYTES", NULL, "only bodies larger than that: 10M"},
    {"older-than", 0, SPAN, SELECTS, "TIME", NULL, "only what was fetched or validated longer ago: 30d, 12h, 45m"},
    {"unused-for", 0, SPAN, SELECTS, "TIME", NULL, "only what was last used longer ago: 30d, 12h, 45m"},
    {"sort", 0, TEXT, CONF_LS, "KEY", "url", "url, host, size, age, hits or used"},
    {"soft", 0, FLAG, CONF_PURGE, NULL, NULL, "keep the bodies, but ask the origin before their next use"},
    {"dry-run", 'n', FLAG, CHANGES | CONF_RULE, NULL, NULL, "only say what would be done"},
    {"at", 0, TEXT, CONF_EXPLAIN, "TIME", NULL, "as of then: Unix seconds, '2026-11-25 18:00', or +2h from now"},
    {"repair", 0, FLAG, CONF_VERIFY, NULL, NULL, "drop rows whose body is wrong, and files no row owns"},
    {"write", 0, FLAG, CONF_SQL, NULL, NULL, "allow changes"},
    {"by", 0, TEXT, CONF_STATS, "WHAT", NULL, "host or hour: what was hit, missed and saved"},
    {"json", 0, FLAG, TABLES, NULL, NULL, "print JSON"},
};

const size_t conf_rows = sizeof conf_table / sizeof conf_table[0];
_Static_assert(sizeof conf_table / sizeof conf_table[0] <= CONF_MOST, "the values of a conf have room for every row");

static const struct conf_verb_row verbs[] = {
    {CONF_SERVE, "serve", "", "Serve the cache over HTTP: by /host/path, as a forward proxy, or before an origin.",
	"  curlew serve                               then: curl localhost:8899/example.com/\n"
	"  curlew serve --root .                      also serves ./helloworld.html\n"
	"  curlew serve --listen 0.0.0.0:80 --origin http://127.0.0.1:8080\n"},
    {CONF_GET, "get", "URL", "Get a URL through the cache, with or without a server running.",
	"  curlew get https://example.com/x > x\n"
	"  curlew get -i -H 'Accept-Language: de' example.com/\n"
	"  curlew get --cache ~/site-cache --origin http://127.0.0.1:8080 /x\n"},
    {CONF_LS, "ls", "[GLOB...]",
	"List what is stored. In a pipe, separated by tabs: state, status, bytes, age in seconds, hits, pinned, tag, "
	"URL.",
	"  curlew ls\n  curlew ls 'example.com/*.iso' --sort size\n  curlew ls --host example.com --stale --json\n"},
    {CONF_SHOW, "show", "URL", "Show all that is known about a stored URL.",
	"  curlew show example.com/data.json\n  curlew show -H 'Accept-Language: de' example.com/          the variant "
	"for such a request\n"},
    {CONF_CAT, "cat", "URL", "Print the stored body of a URL, without asking anybody.",
	"  curlew cat example.com/data.json\n  curlew cat -H 'Accept-Language: de' example.com/\n"},
    {CONF_EXPLAIN, "explain", "URL",
	"Say what the next request for a URL would find, and why; nobody is asked. Exit status 3: it would not hit.",
	"  curlew explain example.com/data.json\n  curlew explain -H 'Cache-Control: no-cache' https://example.com/ "
	"--at +2h\n"},
    {CONF_PURGE, "purge", "[GLOB...]",
	"Remove what matches all that is said; in short transactions, also beside a server. By age or size, what is "
	"pinned "
	"stays. Answers on their way are not stored either. In a pipe: what was done, responses, bytes.",
	"  curlew purge example.com/data.json\n  curlew purge 'example.com/*' --older-than 30d --dry-run\n"
	"  curlew purge --host example.com --soft\n  curlew purge '*'\n"},
    {CONF_PIN, "pin", "[GLOB...]", "Keep what matches: pinned responses are never evicted.",
	"  curlew pin 'example.com/*.iso'\n  curlew pin --tag keep\n"},
    {CONF_UNPIN, "unpin", "[GLOB...]", "Let what matches be evicted again.", "  curlew unpin 'example.com/*.iso'\n"},
    {CONF_RULE, "rule", "ls | add GLOB COLUMN=VALUE... | rm ID... | test GLOB|ID",
	"Policy as rows. COLUMN is one of priority fresh_for_s store stale_ok_s offline deny ignore_query "
	"follow_redirects cookies pin tag note. "
	"A GLOB without a scheme is for both; without * and a set like [abc] it is a URL and means that one. Brackets "
	"of an IPv6 address ([::1]) and of a parameter (tag[]=) mean themselves. A GLOB that can match no URL is "
	"refused. Of all that match, the highest priority "
	"decides each column, and of equals the one added first. In a pipe: id, "
	"priority, what it says, note, glob.",
	"  curlew rule add 'http*://example.com/*' fresh_for_s=1d note='changes daily'\n"
	"  curlew rule add '*' ignore_query='utm_* fbclid'\n  curlew rule add 'ads.example/*' deny=yes --dry-run\n  "
	"curlew rule test 'http*://example.com/*'\n  curlew rule rm 3\n"},
    {CONF_GC, "gc", "",
	"Reclaim the files of deleted rows, and what dead processes left. A running server does this by itself.",
	"  curlew gc\n"},
    {CONF_VERIFY, "verify", "",
	"Check every row for values that it cannot hold, every row against its file, by size and SHA-256, and every "
	"file against its row. Exit status 3: something is wrong. Each fault "
	"is a line: what, file, URL.",
	"  curlew verify\n  curlew verify --repair\n"},
    {CONF_SQL, "sql", "[STATEMENT]",
	"Open the index with the sqlite3 shell, or run one statement. Read-only unless --write.",
	"  curlew sql 'SELECT url, state, size FROM v_entry'\n  curlew sql --write \"UPDATE entry SET tag = 'x' WHERE "
	"host = 'example.com'\"\n"},
    {CONF_BACKUP, "backup", "DIR",
	"Copy the cache as it stands to a new directory, also while it is served. Bodies are shared where the file "
	"system can.",
	"  curlew backup /var/backups/curlew\n"},
    {CONF_RESTORE, "restore", "DIR", "Fill an empty cache directory from a backup.",
	"  curlew restore /var/backups/curlew --cache ~/.cache/curlew\n"},
    {CONF_STATS, "stats", "", "Sum up what is stored and what it saved.",
	"  curlew stats\n  curlew stats --by host\n  curlew stats --by hour --json\n"},
    {CONF_CONFIG, "config", "", "Print each setting of `serve` and where it came from.",
	"  curlew config\n  CURLEW_SIZE=1G curlew config --json\n"},
};

/* --- values --- */

static void value_clear(struct conf_value *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->texts[i]);
	free(v->texts);
	memset(v, 0, sizeof *v);
}

static bool is_port_list(const char *text)
{
	if (strcmp(text, "none") == 0)
		return true;
	for (;;) {
		char *end;
		text += strspn(text, " ");
		long port = strtol(text, &end, 10);
		if (*text < '0' || *text > '9' || port < 1 || port > 65535 || (*end != ',' && *end != '\0'))
			return false;
		if (*end == '\0')
			return true;
		text = end + 1;
	}
}

/* As libcurl takes them; "", as with curl, for none at all. */
static bool is_proxy(const char *text)
{
	static const char *const schemes[] = {
	    "http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"};
	bool known = strstr(text, "://") == NULL;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		known = known ||
			(strncasecmp(text, schemes[i], strlen(schemes[i])) == 0 && text[strlen(schemes[i])] != '\0');
	for (const char *c = text; *c != '\0'; c++)
		known = known && (unsigned char)*c > ' ';
	return known;
}

/* A name or address without a port: without a colon, unless it is in brackets. */
static bool is_host(const char *text)
{
	return text[strcspn(text, text[0] == '[' ? " /?#@" : " /?#@:")] == '\0';
}

/* What the option takes, in words, when text is something else; the value goes into v. */
static const char *find_fault(const struct conf_row *row, const char *text, struct conf_value *v)
{
	switch (row->type) {
	case BYTES:
		return units_bytes(text, &v->bytes) != 0 ? "bytes, with K, M, G or T if you like: 512M" : NULL;
	case SECONDS:
		if (units_seconds(text, &v->seconds) != 0)
			return "seconds: 10 or 2.5";
		return v->seconds <= 0 && strstr(row->name, "-timeout") != NULL ? "seconds, more than 0: 10 or 2.5"
										: NULL;
	case COUNT:
		if (units_count(text, &v->bytes) != 0)
			return "a number: 100000";
		return strcmp(row->name, "threads") == 0 && (v->bytes < 1 || v->bytes > 65536)
			   ? "a number from 1 to 65536"
			   : NULL;
	case SHARE:
		return units_share(text, &v->bytes, &v->seconds) != 0 ? "a share of the disk, 5%, or bytes, 2G" : NULL;
	case SPAN:
		return units_span(text, &v->seconds) != 0 ? "a time: 90s, 45m, 12h, 30d, 2w or 1y" : NULL;
	case FLAG:
		return units_flag(text, &v->flag) != 0 ? "yes or no" : NULL;
	case TEXT:
	case ONCE:
	case LIST:
		break;
	}
	if (strcmp(row->name, "default-scheme") == 0)
		return strcmp(text, "http") != 0 && strcmp(text, "https") != 0 ? "http or https" : NULL;
	if (strcmp(row->name, "prefix-sandbox") == 0)
		return strcmp(text, "on") != 0 && strcmp(text, "off") != 0 ? "on or off" : NULL;
	if (strcmp(row->name, "connect-ports") == 0)
		return !is_port_list(text) ? "ports separated by commas, or none" : NULL;
	if (strcmp(row->name, "proxy") == 0)
		return !is_proxy(text) ? "[http|https|socks4|socks4a|socks5|socks5h://]HOST:PORT" : NULL;
	if (strcmp(row->name, "host") == 0 && !is_host(text))
		return "a host without a port";
	return text[0] == '\0' ? row->argument : NULL;
}

int conf_set(struct conf *c, size_t i, const char *text, const char *source, const char *called)
{
	const struct conf_row *row = &conf_table[i];
	struct conf_value *v = &c->values[i];
	struct conf_value fresh = {.source = source};
	const char *form = find_fault(row, text, &fresh);
	if (form != NULL) {
		log_say("%s: '%s' is not understood (give %s)", called, text, form);
		return -1;
	}
	if (row->type == ONCE && v->source == source && strcmp(v->texts[0], text) != 0) {
		log_say("%s: given twice, '%s' and '%s' (give one)", called, v->texts[0], text);
		return -1;
	}
	/* A list adds up within one source; a later source replaces it whole. */
	if (row->type != LIST || v->source != source)
		value_clear(v);
	char **texts = realloc(v->texts, (v->count + 1) * sizeof *texts);
	char *copy = strdup(text);
	if (texts == NULL || copy == NULL) {
		free(copy);
		if (texts != NULL)
			v->texts = texts;
		log_say("%s: out of memory", called);
		return -1;
	}
	texts[v->count] = copy;
	v->texts = texts;
	v->count++;
	v->source = fresh.source;
	v->bytes = fresh.bytes;
	v->seconds = fresh.seconds;
	v->flag = fresh.flag;
	return 0;
}

size_t conf_find(const char *name)
{
	for (size_t i = 0; i < conf_rows; i++)
		if (strcmp(conf_table[i].name, name) == 0)
			return i;
	return conf_rows;
}

/* --- help --- */

static void print_help(const struct conf_verb_row *verb)
{
	printf("Usage: curlew %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", verb->name, verb->operands[0] != '\0' ? " " : "",
	    verb->operands, verb->about);
	for (size_t i = 0; i < conf_rows; i++) {
		const struct conf_row *row = &conf_table[i];
		if (!(row->verbs & (int)verb->verb))
			continue;
		char left[64];
		snprintf(left, sizeof left, "  %c%c%c --%s%s%s", row->letter ? '-' : ' ',
		    row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
		    row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
		printf("%-31s  %s", left, row->help); /* two spaces at least: docs/help.awk parts there */
		if (row->standard != NULL && strcmp(row->standard, "0") != 0)
			printf(" [%s]", row->standard);
		putchar('\n');
	}
	printf("%-31s  %s\n\nExamples:\n%s", "      --help", "print this", verb->examples);
}

/* --- reading --- */

/* Cron and services give no environment. */
static const char *home_dir(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user = home == NULL || home[0] == '\0' ? getpwuid(getuid()) : NULL;
	return user != NULL ? user->pw_dir : home != NULL && home[0] != '\0' ? home : NULL;
}

static int find_cache_dir(struct conf *c)
{
	const char *dir = conf_text(c, "cache");
	const char *xdg = getenv("XDG_CACHE_HOME"), *home;
	struct buf path;
	buf_init(&path, BUF_LINE);
	if (dir != NULL)
		buf_adds(&path, dir);
	else if (xdg != NULL && xdg[0] == '/')
		buf_addf(&path, "%s/curlew", xdg);
	else if ((home = home_dir()) != NULL)
		buf_addf(&path, "%s/.cache/curlew", home);
	else
		log_say("cache: neither $HOME nor $CURLEW_CACHE is set (give --cache DIR)");
	if (path.len > 0)
		c->cache_dir = buf_take(&path);
	buf_fini(&path);
	return c->cache_dir == NULL ? -1 : 0;
}

static enum conf_parsed read_all(struct conf *c, int argc, char **argv)
{
	const char *config = NULL;
	enum conf_parsed parsed = conf_read_flags(c, argc, argv, false, &config);
	if (parsed != PARSED)
		return parsed;
	for (size_t i = 0; i < conf_rows; i++)
		if (conf_table[i].standard != NULL &&
		    conf_set(c, i, conf_table[i].standard, "default", conf_table[i].name) != 0)
			return MISTAKE;
	if (conf_read_files(c, config) != 0 || conf_read_environment(c) != 0)
		return MISTAKE;
	parsed = conf_read_flags(c, argc, argv, true, &config);
	if (parsed == PARSED && find_cache_dir(c) != 0)
		return MISTAKE;
	return parsed;
}

struct conf *conf_parse(enum conf_verb verb, int argc, char **argv, int *status)
{
	*status = 2;
	struct conf *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (verbs[i].verb == verb)
			c->verb = &verbs[i];
	assert(c->verb != NULL);
	enum conf_parsed parsed = read_all(c, argc, argv);
	if (parsed == PARSED)
		return c;
	if (parsed == HELP_WANTED)
		print_help(c->verb);
	*status = parsed == HELP_WANTED ? 0 : 2;
	conf_free(c);
	return NULL;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < conf_rows; i++)
		value_clear(&c->values[i]);
	free(c->file_source);
	free(c->cache_dir);
	free(c);
}

/* --- asking --- */

bool conf_is(const struct conf *c, enum conf_verb verb)
{
	return c->verb->verb == verb;
}

static const struct conf_value *get(const struct conf *c, const char *name, enum conf_type type)
{
	size_t i = conf_find(name);
	assert(i < conf_rows && (conf_table[i].type == type || type == TEXT));
	return &c->values[i];
}

const char *conf_text(const struct conf *c, const char *name)
{
	const struct conf_value *v = get(c, name, TEXT);
	return v->count > 0 ? v->texts[0] : NULL;
}

int64_t conf_number(const struct conf *c, const char *name)
{
	const struct conf_value *v = get(c, name, TEXT);
	assert(conf_table[conf_find(name)].type == BYTES || conf_table[conf_find(name)].type == COUNT ||
	       conf_table[conf_find(name)].type == SHARE);
	return v->bytes;
}

double conf_percent(const struct conf *c, const char *name)
{
	return get(c, name, SHARE)->seconds;
}

double conf_span(const struct conf *c, const char *name)
{
	return get(c, name, SPAN)->seconds;
}

double conf_seconds(const struct conf *c, const char *name)
{
	return get(c, name, SECONDS)->seconds;
}

bool conf_flag(const struct conf *c, const char *name)
{
	return get(c, name, FLAG)->flag;
}

bool conf_given(const struct conf *c, const char *name)
{
	return get(c, name, TEXT)->count > 0;
}

const char *conf_item(const struct conf *c, const char *name, size_t i)
{
	const struct conf_value *v = get(c, name, LIST);
	return i < v->count ? v->texts[i] : NULL;
}

size_t conf_operands(const struct conf *c)
{
	return c->operand_count;
}

const char *conf_operand(const struct conf *c, size_t i)
{
	return i < c->operand_count ? c->operands[i] : NULL;
}

const char *conf_cache_dir(const struct conf *c)
{
	return c->cache_dir;
}

void conf_each(const struct conf *c, void (*row)(void *, const char *, const char *, const char *), void *ctx)
{
	for (size_t i = 0; i < conf_rows; i++) {
		if (!(conf_table[i].verbs & CONF_SERVE) || strcmp(conf_table[i].name, "config") == 0)
			continue;
		const struct conf_value *v = &c->values[i];
		const char *source = v->source != NULL ? v->source : "default";
		if (strcmp(conf_table[i].name, "cache") == 0 && v->count == 0)
			row(ctx, "cache", c->cache_dir, "default");
		else if (conf_table[i].type == FLAG)
			row(ctx, conf_table[i].name, v->flag ? "yes" : "no", source);
		else if (v->count == 0)
			row(ctx, conf_table[i].name, "", source);
		for (size_t k = 0; conf_table[i].type != FLAG && k < v->count; k++)
			row(ctx, conf_table[i].name, v->texts[k], source);
	}
}

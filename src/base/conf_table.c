#include "base/conf_table.h"

#include <string.h>

/* Which verbs share an option. */
enum {
	FETCHES = CONF_SERVE | CONF_GET,
	CHANGES = CONF_PURGE | CONF_PIN | CONF_UNPIN,
	SELECTS = CONF_LS | CHANGES,
	LOOKS = CONF_SHOW | CONF_CAT | CONF_STATS | CONF_EXPLAIN | CONF_GC | CONF_VERIFY | CONF_SQL | CONF_BACKUP |
		CONF_RESTORE | CONF_RULE | CONF_REKEY,
	CACHES = CONF_SERVE | CONF_GET | SELECTS | LOOKS | CONF_CONFIG,
	SETTINGS = CONF_SERVE | CONF_CONFIG,
	RELOADS = CONF_RELOADS,
	TABLES = SELECTS | CONF_SHOW | CONF_STATS | CONF_CONFIG | CONF_RULE | CONF_EXPLAIN | CONF_VERIFY
};

const struct conf_row conf_table[] = {
    {"listen", 0, LIST, SETTINGS, "[ADDR:]PORT|unix:PATH", "127.0.0.1:8899",
	"listen on this address: 8899 (this machine only), :8899 (all addresses), localhost:8899, [::1]:8899, or "
	"unix:PATH[,mode=0660] (repeatable; port 0 picks a free port and prints it)"},
    {"admin-listen", 0, ONCE, SETTINGS, "[ADDR:]PORT|unix:PATH", NULL,
	"serve only /.curlew/ on this address, to everybody who can connect unless --admin-from says otherwise"},
    {"cache", 0, ONCE, CACHES, "DIR", NULL, "cache directory ($XDG_CACHE_HOME/curlew or ~/.cache/curlew)"},
    {"root", 0, ONCE, SETTINGS, "DIR", NULL, "serve files of DIR at /name"},
    {"origin", 0, LIST, SETTINGS | CONF_GET | RELOADS, "[NAME=]URL", NULL,
	"act as a reverse proxy of this origin (get: use the cache of such a proxy). NAME=URL,URL2: of the site NAME "
	"(shop.example, *.example, or * for the rest); repeatable"},
    {"forwarded", 0, ONCE, FETCHES | CONF_CONFIG, "on|off", NULL,
	"send X-Forwarded-For, -Proto, -Host and Forwarded (default: only with --origin)"},
    {"private", 0, FLAG, FETCHES | CONF_CONFIG, NULL, NULL,
	"act as the cache of one user, which may store private and authorised responses"},
    {"targets", 0, LIST, FETCHES | CONF_CONFIG, "[FIELD]", NULL,
	"obey FIELD (default CDN-Cache-Control) instead of Cache-Control if present (repeatable; RFC 9213)"},
    {"default-scheme", 0, TEXT, FETCHES | CONF_CONFIG, "SCHEME", "http",
	"scheme of /host/path and of a URL without a scheme: http or https"},
    {"size", 0, BYTES, FETCHES | CONF_CONFIG | RELOADS, "BYTES", "10G",
	"limit for the bytes of all bodies (suffixes K M G T; 0: no limit)"},
    {"max-entries", 0, COUNT, FETCHES | CONF_CONFIG | RELOADS, "N", "0",
	"limit for the number of stored responses (0: no limit)"},
    {"min-free", 0, SHARE, FETCHES | CONF_CONFIG | RELOADS, "SHARE", "5%",
	"keep this much of the disk free: 5% or 2G (0: no limit)"},
    {"max-body", 0, BYTES, FETCHES | CONF_CONFIG | RELOADS, "BYTES", "0",
	"do not store bodies larger than this (0: no limit)"},
    {"allow-to", 0, LIST, FETCHES | CONF_CONFIG | RELOADS, "LIST", NULL,
	"allow fetches from these non-public addresses: loopback, private, or CIDRs; add :PORT to allow one port"},
    {"head-timeout", 0, SECONDS, SETTINGS | RELOADS, "SECONDS", "10", "time for a client to send a whole request head"},
    {"body-timeout", 0, SECONDS, SETTINGS | RELOADS, "SECONDS", "60",
	"time for a client to send the next bytes of a request body"},
    {"idle-timeout", 0, SECONDS, SETTINGS | RELOADS, "SECONDS", "60", "time for a client to send its next request"},
    {"send-timeout", 0, SECONDS, SETTINGS | RELOADS, "SECONDS", "60",
	"time for a client to receive the next bytes of a response"},
    {"threads", 0, COUNT, SETTINGS, "N", "8192",
	"requests served at one time; more wait, but hits from memory need no thread"},
    {"thread-wait", 0, SECONDS, SETTINGS | RELOADS, "SECONDS", "10",
	"time a request waits for a thread before it gets a 503"},
    {"min-rate", 0, BYTES, SETTINGS | RELOADS, "BYTES", "500",
	"while more than half of the threads are busy, close connections slower than this per second (0: never)"},
    {"max-connections", 0, COUNT, SETTINGS | RELOADS, "N", NULL,
	"connections at one time; more get a 503 (default: half of the limit of open files; 0: no limit)"},
    {"max-connections-per-client", 0, COUNT, SETTINGS | RELOADS, "N", NULL,
	"connections of one client, an IPv4 address or an IPv6 /64; more get a 429 (default: half of "
	"--max-connections; 0: no limit)"},
    {"rate-per-client", 0, RATE, SETTINGS | RELOADS, "N[/s|/m|/h]", NULL,
	"requests of one client in a second, minute or hour; more get a 429 (default: no limit)"},
    {"bandwidth-per-client", 0, BYTES, SETTINGS | RELOADS, "BYTES", NULL,
	"bytes a second that one client is sent, over all its connections (default: no limit)"},
    {"connect-timeout", 0, SECONDS, FETCHES | CONF_CONFIG | RELOADS, "SECONDS", "10",
	"time for an origin to accept a connection, including the DNS lookup"},
    {"origin-timeout", 0, SECONDS, FETCHES | CONF_CONFIG | RELOADS, "SECONDS", "60",
	"time for an origin to send the whole response head, then the next bytes of the body"},
    {"collapse-wait", 0, SECONDS, SETTINGS | RELOADS, "SECONDS", "5",
	"time a request waits for another client's fetch of its URL before it starts its own"},
    {"offline", 0, FLAG, FETCHES | CONF_CONFIG, NULL, NULL,
	"never use the network; a URL that is not stored gets a 504"},
    {"access-log", 0, ONCE, SETTINGS | RELOADS, "FILE", "off", "write the access log to FILE (-: stdout; off: none)"},
    {"connect-ports", 0, ONCE, SETTINGS | RELOADS, "PORTS", "443",
	"ports that CONNECT may reach, separated by commas, or none"},
    {"compress", 0, FLAG, SETTINGS, NULL, NULL,
	"keep compressed copies of stored text, JSON, JavaScript, XML, SVG and WebAssembly, for clients that accept "
	"them"},
    {"upgrade", 0, LIST, SETTINGS | RELOADS, "TOKEN", NULL,
	"pass requests to upgrade to this protocol, besides websocket (repeatable; never h2c, HTTP or TLS)"},
    {"server-name", 0, LIST, SETTINGS | RELOADS, "NAME", NULL, "an additional name of this server (repeatable)"},
    {"allow-from", 0, CIDRS, SETTINGS | RELOADS, "CIDR...", NULL,
	"the clients that may send requests (repeatable); a proxy that other machines can reach needs it"},
    {"admin-from", 0, CIDRS, SETTINGS | RELOADS, "CIDR...", NULL,
	"the clients that may see /.curlew/, on any listener (default: this machine, and with --origin only those of "
	"--admin-listen; repeatable)"},
    {"purge-from", 0, CIDRS, SETTINGS | RELOADS, "CIDR...", NULL,
	"the clients that may purge with the method PURGE (default: this machine, and not through a proxy; "
	"repeatable)"},
    {"users", 0, ONCE, SETTINGS | RELOADS, "FILE", NULL,
	"demand the password of a user in FILE (htpasswd -B) from clients of the forward proxy"},
    {"trust-forwarded", 0, CIDRS, SETTINGS | RELOADS, "CIDR...", NULL,
	"believe Forwarded and X-Forwarded- fields of proxies at these addresses (repeatable)"},
    {"proxy-protocol-from", 0, CIDRS, SETTINGS | RELOADS, "CIDR...", NULL,
	"fronts that begin each connection with a PROXY protocol header, version 1 or 2 (repeatable)"},
    {"prefix-cookies", 0, FLAG, SETTINGS | RELOADS, NULL, NULL,
	"pass cookies at /host/path, where all sites share them"},
    {"prefix-sandbox", 0, TEXT, SETTINGS | RELOADS, "on|off", "on",
	"sandbox fetched documents that a browser opens at /host/path"},
    {"keep-tags", 0, FLAG, FETCHES | CONF_CONFIG, NULL, NULL,
	"send Surrogate-Key, Cache-Tag and xkey to clients; otherwise they are removed"},
    {"proxy", 'x', ONCE, FETCHES | CONF_CONFIG, "URL", NULL, "fetch through this proxy"},
    {"parent", 0, ONCE, FETCHES | CONF_CONFIG, "URL", NULL,
	"ask this curlew for what is not stored, https included; while it cannot be reached, ask origins"},
    {"cacert", 0, ONCE, FETCHES | CONF_CONFIG, "FILE", NULL,
	"trust the certificates in FILE (PEM) instead of the system's"},
    {"drain", 0, SECONDS, SETTINGS | RELOADS, "SECONDS", "10",
	"time that SIGTERM leaves requests in progress to finish"},
    {"check", 0, ONCE, CONF_CONFIG, "FILE", NULL, "only check the settings that serve would have with --config FILE"},
    {"config", 0, TEXT, FETCHES | CONF_CONFIG, "FILE", NULL, "read settings from FILE, one `name value` per line"},
    {"output", 'o', ONCE, CONF_GET, "FILE", NULL, "write the body to FILE, which is replaced only by a complete body"},
    {"include", 'i', FLAG, CONF_GET, NULL, NULL, "print the response head before the body"},
    {"head", 'I', FLAG, CONF_GET, NULL, NULL, "request only the head"},
    {"header", 'H', LIST, CONF_GET | CONF_EXPLAIN | CONF_CAT | CONF_SHOW, "LINE", NULL,
	"add a request field, 'Name: value' (repeatable)"},
    {"silent", 's', FLAG, CONF_GET, NULL, NULL, "print no progress bar and no error messages"},
    {"verbose", 'v', FLAG, FETCHES, NULL, NULL, "get: print both heads on stderr; serve: print each step of a fetch"},
    {"location", 'L', FLAG, CONF_GET, NULL, NULL, "follow redirects"},
    {"fail", 'f', FLAG, CONF_GET, NULL, NULL, "on status 400 and above, print no body and exit with status 22"},
    {"max-time", 'm', SECONDS, CONF_GET, "SECONDS", "0", "stop after this time (0: never)"},
    {"host", 0, ONCE, SELECTS, "HOST", NULL, "only URLs of this host"},
    {"tag", 0, ONCE, SELECTS, "TAG", NULL, "only responses with this tag, their own or from a rule"},
    {"stale", 0, FLAG, SELECTS, NULL, NULL, "only stale responses"},
    {"larger-than", 0, BYTES, SELECTS, "BYTES", NULL, "only bodies larger than this: 10M"},
    {"older-than", 0, SPAN, SELECTS, "TIME", NULL,
	"only responses fetched or validated longer ago than this: 30d, 12h, 45m"},
    {"unused-for", 0, SPAN, SELECTS, "TIME", NULL, "only responses last used longer ago than this: 30d, 12h, 45m"},
    {"sort", 0, TEXT, CONF_LS, "KEY", "url", "sort by url, host, size, age, hits or used"},
    {"soft", 0, FLAG, CONF_PURGE, NULL, NULL, "keep the bodies, but validate them before their next use"},
    {"to", 0, LIST, CONF_PURGE, "URL", NULL,
	"purge the servers at these addresses over HTTP instead of a cache on this machine (repeatable)"},
    {"dry-run", 'n', FLAG, CHANGES | CONF_RULE | CONF_REKEY, NULL, NULL, "only print what would be done"},
    {"at", 0, ONCE, CONF_EXPLAIN, "TIME", NULL,
	"explain for this time: Unix seconds, '2026-11-25 18:00', or +2h from now"},
    {"repair", 0, FLAG, CONF_VERIFY, NULL, NULL, "remove rows with a wrong body, and files without a row"},
    {"write", 0, FLAG, CONF_SQL, NULL, NULL, "allow changes"},
    {"by", 0, TEXT, CONF_STATS, "WHAT", NULL, "print hits, misses and bytes saved by host or by hour"},
    {"json", 0, FLAG, TABLES | CONF_REKEY, NULL, NULL, "print JSON"},
};

const size_t conf_table_rows = sizeof conf_table / sizeof conf_table[0];
_Static_assert(sizeof conf_table / sizeof conf_table[0] <= CONF_TABLE_MOST, "a conf has a value for every row");

static const struct conf_verb_row verbs[] = {
    {CONF_SERVE, "serve", "", "Serve the cache over HTTP: at /host/path, as a forward proxy, or as a reverse proxy.",
	"  curlew serve                               then: curl localhost:8899/example.com/\n"
	"  curlew serve --root .                      also serves ./helloworld.html\n"
	"  curlew serve --listen :80 --origin shop.example=http://127.0.0.1:8080\n"},
    {CONF_GET, "get", "URL", "Get a URL through the cache, next to a running server or without one.",
	"  curlew get https://example.com/x > x\n"
	"  curlew get -i -H 'Accept-Language: de' example.com/\n"
	"  curlew get --cache ~/site-cache --origin http://127.0.0.1:8080 /x\n"},
    {CONF_LS, "ls", "[GLOB...]",
	"List stored responses. A GLOB matches the whole URL. In a pipe, each row is one line with tabs: state, "
	"status, "
	"bytes, age in seconds, hits, pinned, tag, URL.",
	"  curlew ls\n"
	"  curlew ls 'example.com/*.iso' --sort size\n"
	"  curlew ls --host example.com --stale --json\n"},
    {CONF_SHOW, "show", "URL", "Show all that is known about a stored URL.",
	"  curlew show example.com/data.json\n"
	"  curlew show -H 'Accept-Language: de' example.com/          the variant for such a request\n"},
    {CONF_CAT, "cat", "URL", "Print the stored body of a URL, without contacting the origin.",
	"  curlew cat example.com/data.json\n"
	"  curlew cat -H 'Accept-Language: de' example.com/\n"},
    {CONF_EXPLAIN, "explain", "URL",
	"Explain what the next request for a URL would do, without contacting the origin. Exit status 3: it would not "
	"be "
	"a hit.",
	"  curlew explain example.com/data.json\n"
	"  curlew explain -H 'Cache-Control: no-cache' https://example.com/ --at +2h\n"},
    {CONF_PURGE, "purge", "[GLOB...]",
	"Remove stored responses that match one GLOB and all options. A purge also covers fetches in progress: a "
	"response "
	"requested before the purge is not stored. A purge by age or size leaves pinned responses. In a pipe, prints: "
	"what "
	"was done, responses, bytes.",
	"  curlew purge example.com/data.json\n"
	"  curlew purge 'example.com/*' --older-than 30d --dry-run\n"
	"  curlew purge --host example.com --soft\n"
	"  curlew purge '*'\n"
	"  curlew purge --to http://node1 --to http://node2 'shop.example/*' --tag news\n"},
    {CONF_PIN, "pin", "[GLOB...]", "Protect matching responses: a pinned response is never evicted.",
	"  curlew pin 'example.com/*.iso'\n"
	"  curlew pin --tag keep\n"},
    {CONF_UNPIN, "unpin", "[GLOB...]", "Unpin matching responses: they may be evicted again.",
	"  curlew unpin 'example.com/*.iso'\n"},
    {CONF_RULE, "rule", "ls | add GLOB COLUMN=VALUE... | rm ID... | test GLOB|ID",
	"List, add, remove or test rules. COLUMN is one of priority fresh_for_s store stale_ok_s offline deny "
	"ignore_query follow_redirects cookies pin tag note statuses. A rule with statuses ('404 410 5xx') is only for "
	"responses of these statuses; it may set fresh_for_s, stale_ok_s, store, pin, tag and cookies. "
	"A GLOB matches the whole URL. Without a scheme it covers http and https. Without a wildcard (* or a set like "
	"[abc]) it names one URL. The brackets of an IPv6 address ([::1]) and of a parameter (tag[]=) stand for "
	"themselves. A GLOB that can match no URL is refused. If several rules match, each column comes from the rule "
	"with "
	"the highest priority; of equal priorities, the oldest rule decides. In a pipe, ls prints: id, priority, "
	"columns, "
	"note, GLOB.",
	"  curlew rule add 'http*://example.com/*' fresh_for_s=1d note='changes daily'\n"
	"  curlew rule add '*' ignore_query='utm_* fbclid'\n"
	"  curlew rule add 'example.com/*' statuses='404 410' fresh_for_s=60s\n"
	"  curlew rule add 'ads.example/*' deny=yes --dry-run\n"
	"  curlew rule test 'http*://example.com/*'\n"
	"  curlew rule rm 3\n"},
    {CONF_REKEY, "rekey", "OLD-URL NEW-URL",
	"Give stored responses other URLs: those below OLD-URL get the same path below NEW-URL. A cache that was "
	"filled "
	"with --origin OLD-URL then belongs to named sites, --origin NAME=URL. Works while a server runs, and goes on "
	"where it was interrupted.",
	"  curlew rekey http://127.0.0.1:8080/ http://shop.example/\n"
	"  curlew rekey http://old.example/ http://new.example/ --dry-run\n"},
    {CONF_GC, "gc", "",
	"Remove the files of deleted rows, and files that dead processes left. A running server does this by itself.",
	"  curlew gc\n"},
    {CONF_VERIFY, "verify", "",
	"Check every row for impossible values, every row against its file (size and SHA-256), and every file against "
	"its "
	"row. Exit status 3: a fault was found. Each fault is one line: what is wrong, file, URL.",
	"  curlew verify\n"
	"  curlew verify --repair\n"},
    {CONF_SQL, "sql", "[STATEMENT]",
	"Open the index with the sqlite3 shell, or run one statement. The index is read-only unless --write is given.",
	"  curlew sql 'SELECT url, state, size FROM v_entry'\n"
	"  curlew sql --write \"UPDATE entry SET tag = 'x' WHERE host = 'example.com'\"\n"},
    {CONF_BACKUP, "backup", "DIR",
	"Copy the cache, also while it is served, to a new directory. The copy shares body files with the cache where "
	"the "
	"file system allows it.",
	"  curlew backup /var/backups/curlew\n"},
    {CONF_RESTORE, "restore", "DIR", "Fill an empty cache directory from a backup.",
	"  curlew restore /var/backups/curlew --cache ~/.cache/curlew\n"},
    {CONF_STATS, "stats", "", "Sum up what is stored, and what the cache saved.",
	"  curlew stats\n"
	"  curlew stats --by host\n"
	"  curlew stats --by hour --json\n"},
    {CONF_CONFIG, "config", "", "Print each setting of `serve` and where it came from.",
	"  curlew config\n"
	"  CURLEW_SIZE=1G curlew config --json\n"
	"  curlew config --check /etc/curlew.conf\n"},
};

size_t conf_table_find(const char *name)
{
	for (size_t i = 0; i < conf_table_rows; i++)
		if (strcmp(conf_table[i].name, name) == 0)
			return i;
	return conf_table_rows;
}

const struct conf_verb_row *conf_table_verb(enum conf_verb verb)
{
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (verbs[i].verb == verb)
			return &verbs[i];
	return NULL;
}

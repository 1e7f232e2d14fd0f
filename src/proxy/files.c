#include "proxy/files.h"

#include "base/stats.h"
#include "http/conditions.h"
#include "http/date.h"
#include "proxy/deliver.h"
#include "proxy/synthetic.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/markdown; charset=utf-8"},
    {".xml", "application/xml"},
    {".csv", "text/csv; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".pdf", "application/pdf"},
    {".wasm", "application/wasm"},
    {".woff2", "font/woff2"},
    {".mp4", "video/mp4"},
    {".mp3", "audio/mpeg"},
    {".gz", "application/gzip"},
    {".zip", "application/zip"},
};

static const char *type_of(const char *path)
{
	size_t n = strlen(path);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		size_t s = strlen(types[i].suffix);
		if (n >= s && strcasecmp(path + n - s, types[i].suffix) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Redirects a request for a directory to the same URL with a slash at the end: the relative links of its page would
 * otherwise lead to its parent. True: the redirect was sent. */
static bool redirect_to_slash(struct exchange *x)
{
	struct span target = x->request->target;
	const char *query = memchr(target.at, '?', target.len);
	struct span path = span_make(target.at, query != NULL ? (size_t)(query - target.at) : target.len);
	if (path.len == 0 || path.at[path.len - 1] == '/')
		return false;
	const char *slash = memrchr(path.at, '/', path.len);
	struct span name = slash != NULL ? span_from(path, (size_t)(slash + 1 - path.at)) : path;
	struct buf fields;
	buf_init(&fields, BUF_HEAD);
	buf_adds(&fields, "Location: ./");
	buf_addspan(&fields, name);
	buf_addc(&fields, '/');
	if (query != NULL)
		buf_addspan(&fields, span_from(target, path.len));
	buf_addc(&fields, '\n');
	struct representation rep = {.status = 301, .fields = buf_span(&fields), .bytes = 0, .fd = -1, .age_s = -1};
	deliver_respond(x, &rep);
	buf_fini(&fields);
	return true;
}

static void send_file(struct exchange *x, int fd, const struct stat *st, bool index)
{
	struct buf fields;
	struct head head;
	char date[DATE_BYTES], modified[DATE_BYTES];
	date_format(x->now, date);
	date_format(st->st_mtim.tv_sec, modified);
	buf_init(&fields, BUF_HEAD);
	buf_addf(&fields,
	    "Date: %s\nContent-Type: %s\nLast-Modified: %s\nETag: \"%" PRIx64 "-%" PRIx64 "\"\nAccept-Ranges: bytes\n",
	    date, type_of(index ? "index.html" : x->target.path), modified, (uint64_t)st->st_size,
	    (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec);
	struct representation rep = {
	    .status = 200, .fields = buf_span(&fields), .bytes = st->st_size, .fd = fd, .age_s = -1};
	message_init(&head);
	if (message_parse_fields(&head, buf_span(&fields)) == 0 &&
	    conditions_precondition_fails(x->request, &head, x->now))
		synthetic_text(x, 412, NULL,
		    "/%s has changed: If-Match or If-Unmodified-Since does not hold (fetch it again)", x->target.path);
	else
		deliver_respond(x, &rep);
	message_fini(&head);
	buf_fini(&fields);
}

bool files_respond(struct exchange *x)
{
	struct stat st;
	bool index = false;
	int fd = root_open_file(&x->context->root, x->target.path, &st, &index);
	if (fd < 0)
		return false;
	x->verdict = "file";
	stats_add(STATS_FILES, 1);
	if (!span_is(x->request->method, "GET") && !span_is(x->request->method, "HEAD"))
		synthetic_text(x, 405, NULL, "/%s is a local file (use GET or HEAD)", x->target.path);
	else if (!index || !redirect_to_slash(x))
		send_file(x, fd, &st, index);
	close(fd);
	return true;
}

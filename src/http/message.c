/*
 * There are two parsers. message_parse_request() is strict: it first looks for the end of the head, then reads the head
 * once and refuses everything that two readers could understand differently, because requests are smuggled by a
 * disagreement about framing (RFC 9112 11.2). message_parse_fields() reads the fields of an origin or of the index. It
 * is lenient and leaves malformed lines out, because refusing a whole response helps nobody.
 *
 * The arrays of a head are kept between parses and grow by doubling. An origin can send tens of thousands of fields, so
 * nothing here reads all fields for each field: finish() sorts them by name once, and marks those that Connection
 * names.
 */
#include "http/message.h"

#include "http/authority.h"
#include "http/field.h"

#include <stdlib.h>

enum { FIELDS_MANY = 24 }; /* a head with so many fields is sorted by name */

void message_init(struct head *head)
{
	memset(head, 0, sizeof *head);
}

void message_fini(struct head *head)
{
	free(head->fields);
	free(head->by_name);
	message_init(head);
}

static void forget(struct head *head)
{
	struct head kept = {.fields = head->fields,
	    .capacity = head->capacity,
	    .by_name = head->by_name,
	    .by_name_room = head->by_name_room};
	*head = kept;
}

static int add_field(struct head *head, struct span name, struct span value)
{
	if (head->count == head->capacity) {
		size_t capacity = head->capacity == 0 ? 32 : head->capacity * 2;
		struct field *fields = reallocarray(head->fields, capacity, sizeof *fields);
		if (fields == NULL)
			return -1;
		head->fields = fields;
		head->capacity = capacity;
	}
	head->fields[head->count] = (struct field){name, value, false};
	head->count++;
	return 0;
}

/* --- many fields --- */

/* By length first, which is cheap; then without case. */
static int order_names(struct span a, struct span b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len > 0 ? strncasecmp(a.at, b.at, a.len) : 0;
}

static int order_fields(const void *a, const void *b)
{
	const struct field *x = *(const struct field *const *)a, *y = *(const struct field *const *)b;
	int order = order_names(x->name, y->name);
	return order != 0 ? order : x < y ? -1 : x > y;
}

/* If memory fails, searches read all fields, as in a small head. */
static void sort_by_name(struct head *head)
{
	if (head->count > head->by_name_room) {
		const struct field **more = reallocarray(head->by_name, head->capacity, sizeof *more);
		if (more == NULL) {
			free(head->by_name);
			head->by_name = NULL;
			head->by_name_room = 0;
			return;
		}
		head->by_name = more;
		head->by_name_room = head->capacity;
	}
	for (size_t i = 0; i < head->count; i++)
		head->by_name[i] = &head->fields[i];
	qsort(head->by_name, head->count, sizeof *head->by_name, order_fields);
	head->by_name_count = head->count;
}

static const struct field *search(const struct head *head, struct span name, const struct field *after)
{
	size_t low = 0, high = head->by_name_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct field *f = head->by_name[middle];
		int order = order_names(f->name, name);
		if (order < 0 || (order == 0 && after != NULL && f <= after))
			low = middle + 1;
		else
			high = middle;
	}
	return low < head->by_name_count && span_same_nocase(head->by_name[low]->name, name) ? head->by_name[low]
											     : NULL;
}

const struct field *message_next(const struct head *head, struct span name, const struct field *after)
{
	if (head->by_name_count > 0)
		return search(head, name, after);
	for (size_t i = after != NULL ? (size_t)(after - head->fields) + 1 : 0; i < head->count; i++)
		if (span_same_nocase(head->fields[i].name, name))
			return &head->fields[i];
	return NULL;
}

/* Marks all lines of that name at once, so that a repeated name costs only a search. */
static void mark(struct head *head, struct span name)
{
	const struct field *f = message_next(head, name, NULL);
	while (f != NULL && !f->in_connection) {
		head->fields[f - head->fields].in_connection = true;
		f = message_next(head, name, f);
	}
}

/* Called after the last field. Later searches depend on it. */
static void finish(struct head *head)
{
	if (head->count >= FIELDS_MANY)
		sort_by_name(head);
	const struct field *line = NULL;
	while ((line = message_next(head, span_of("Connection"), line)) != NULL) {
		struct span rest = line->value, option;
		while (field_next(&rest, &option))
			mark(head, field_bare(option));
	}
}

/* --- parsing --- */

/* RFC 9110 5.6.2 */
static bool is_token_byte(unsigned char c)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr(marks, c) != NULL);
}

bool message_is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_byte((unsigned char)s.at[i]))
			return false;
	return s.len > 0;
}

/* field-value (RFC 9110 5.5): visible bytes, obs-text, spaces and tabs. */
static bool is_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static enum message_parsed refuse(struct fault *fault, int status, const char *why)
{
	fault->status = status;
	fault->why = why;
	return MESSAGE_BAD;
}

/* Removes a line that ends in CRLF from the front of *rest. 1, with the line without its CRLF; 0 when its end has not
 * arrived yet; -1 when it ends in a bare LF or has a bare CR. */
static int take_line(struct span *rest, struct span *line)
{
	const char *lf = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
	if (lf == NULL)
		return 0;
	size_t n = (size_t)(lf - rest->at);
	if (n == 0 || rest->at[n - 1] != '\r')
		return -1;
	if (memchr(rest->at, '\r', n - 1) != NULL)
		return -1;
	*line = span_make(rest->at, n - 1);
	*rest = span_from(*rest, n + 1);
	return 1;
}

static const char bad_line_end[] = "a line must end in CRLF and hold no other CR (RFC 9112 2.2)";

/* HTTP-version (RFC 9112 2.3). A minor version above ours is read as ours (RFC 9110 2.5). */
static enum message_parsed read_version(struct head *head, struct span version, struct fault *fault)
{
	if (version.len != 8 || !span_starts(version, "HTTP/") || version.at[6] != '.')
		return refuse(fault, 400, "the request line must end in HTTP/1.1 (RFC 9112 3)");
	char major = version.at[5], minor = version.at[7];
	if (major < '0' || major > '9' || minor < '0' || minor > '9')
		return refuse(fault, 400, "the HTTP version is malformed (RFC 9112 2.3)");
	if (major != '1')
		return refuse(fault, 505, "only HTTP/1.x is spoken here (RFC 9110 15.6.6)");
	head->minor = minor == '0' ? 0 : 1;
	return MESSAGE_WHOLE;
}

static enum message_parsed read_request_line(struct head *head, struct span line, struct fault *fault)
{
	const char *space = line.len > 0 ? memchr(line.at, ' ', line.len) : NULL;
	if (space == NULL)
		return refuse(fault, 400, "the request line is malformed (RFC 9112 3)");
	head->method = span_make(line.at, (size_t)(space - line.at));
	if (!message_is_token(head->method))
		return refuse(fault, 400, "the method is not a token (RFC 9112 3.1)");
	struct span rest = span_from(line, head->method.len + 1);
	space = rest.len > 0 ? memchr(rest.at, ' ', rest.len) : NULL;
	if (space == NULL)
		return refuse(fault, 400, "the request line has no HTTP version (RFC 9112 3)");
	head->target = span_make(rest.at, (size_t)(space - rest.at));
	if (head->target.len == 0)
		return refuse(fault, 400, "the request target is empty (RFC 9112 3.2)");
	for (size_t i = 0; i < head->target.len; i++) {
		unsigned char c = (unsigned char)head->target.at[i];
		if (c <= 0x20 || c == 0x7f)
			return refuse(fault, 400, "the request target holds a control byte (RFC 9112 3.2)");
	}
	return read_version(head, span_from(rest, head->target.len + 1), fault);
}

static enum message_parsed read_request_field(struct head *head, struct span line, struct fault *fault)
{
	if (line.at[0] == ' ' || line.at[0] == '\t')
		return refuse(fault, 400, "a field is folded over several lines (RFC 9112 5.2)");
	const char *colon = memchr(line.at, ':', line.len);
	if (colon == NULL)
		return refuse(fault, 400, "a field line has no colon (RFC 9112 5)");
	struct span name = span_make(line.at, (size_t)(colon - line.at));
	if (!message_is_token(name))
		return refuse(fault, 400, "a field name is not a token or is followed by a space (RFC 9112 5.1)");
	struct span value = span_trim(span_from(line, name.len + 1));
	if (!is_value(value))
		return refuse(fault, 400, "a field value holds a control byte (RFC 9110 5.5)");
	if (head->count == MESSAGE_FIELDS_MAX)
		return refuse(fault, 431, "the request has too many fields (RFC 6585 5)");
	if (add_field(head, name, value) != 0)
		return refuse(fault, 503, "out of memory");
	return MESSAGE_WHOLE;
}

bool message_is_host(struct span value)
{
	struct authority a;
	return authority_split(value, &a) == 0;
}

/* RFC 9112 3.2: exactly one Host in HTTP/1.1, at most one before. */
static enum message_parsed check_host(const struct head *head, struct fault *fault)
{
	size_t hosts = 0;
	for (size_t i = 0; i < head->count; i++) {
		if (!span_is_nocase(head->fields[i].name, "Host"))
			continue;
		hosts++;
		if (!message_is_host(head->fields[i].value))
			return refuse(fault, 400, "Host is malformed (RFC 9112 3.2)");
	}
	if (hosts > 1)
		return refuse(fault, 400, "there is more than one Host (RFC 9112 3.2)");
	if (hosts == 0 && head->minor > 0)
		return refuse(fault, 400, "HTTP/1.1 needs a Host (RFC 9112 3.2)");
	return MESSAGE_WHOLE;
}

/* Looks for the empty line that ends the head. Refuses bytes that can never become a head at once, so that a client of
 * another protocol does not wait for a timeout. */
static enum message_parsed find_end(struct head *head, struct span bytes, struct fault *fault)
{
	struct span rest = bytes, line;
	int got;
	size_t lines = 0;
	while ((got = take_line(&rest, &line)) > 0) {
		size_t used = bytes.len - rest.len;
		if (line.len == 0 && lines > 0) {
			head->bytes = used;
			return used > MESSAGE_HEAD_MAX ? refuse(fault, 431, "the request head is too long (RFC 6585 5)")
						       : MESSAGE_WHOLE;
		}
		if (used > MESSAGE_HEAD_MAX)
			break;
		if (line.len == 0)
			continue; /* an empty line before the request line, RFC 9112 2.2 */
		if (lines > MESSAGE_FIELDS_MAX)
			return refuse(fault, 431, "the request has too many fields (RFC 6585 5)");
		if (lines++ > 0)
			continue;
		if (line.len > MESSAGE_LINE_MAX)
			return refuse(fault, 414, "the request line is too long (RFC 9112 3)");
		enum message_parsed parsed = read_request_line(head, line, fault);
		if (parsed != MESSAGE_WHOLE)
			return parsed;
	}
	if (got < 0)
		return refuse(fault, 400, bad_line_end);
	if (lines == 0 && rest.len > MESSAGE_LINE_MAX)
		return refuse(fault, 414, "the request line is too long (RFC 9112 3)");
	if (bytes.len > MESSAGE_HEAD_MAX)
		return refuse(fault, 431, "the request head is too long (RFC 6585 5)");
	return MESSAGE_MORE;
}

enum message_parsed message_parse_request(struct head *head, struct span bytes, struct fault *fault)
{
	forget(head);
	enum message_parsed parsed = find_end(head, bytes, fault);
	if (parsed != MESSAGE_WHOLE)
		return parsed;
	struct span rest = span_make(bytes.at, head->bytes), line = {NULL, 0};
	while (line.len == 0)
		take_line(&rest, &line); /* the request line, which find_end() has read */
	while (take_line(&rest, &line) > 0 && line.len > 0) {
		parsed = read_request_field(head, line, fault);
		if (parsed != MESSAGE_WHOLE)
			return parsed;
	}
	finish(head);
	return check_host(head, fault);
}

int message_parse_fields(struct head *head, struct span text)
{
	head->count = head->by_name_count = 0;
	if (text.len > MESSAGE_TEXT_MAX)
		return -1;
	while (text.len > 0) {
		const char *lf = memchr(text.at, '\n', text.len);
		size_t n = lf == NULL ? text.len : (size_t)(lf - text.at);
		struct span line = span_make(text.at, n);
		text = span_from(text, lf == NULL ? n : n + 1);
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			break;
		const char *colon = memchr(line.at, ':', line.len);
		if (colon == NULL || line.at[0] == ' ' || line.at[0] == '\t')
			continue;
		/* RFC 9112 5.1: white space before a response's colon is removed. */
		struct span name = span_trim(span_make(line.at, (size_t)(colon - line.at)));
		struct span value = span_trim(span_from(line, (size_t)(colon - line.at) + 1));
		/* RFC 9110 5.5: other control bytes may stay, these two would split messages. */
		bool splits = value.len > 0 &&
			      (memchr(value.at, '\r', value.len) != NULL || memchr(value.at, '\0', value.len) != NULL);
		if (!message_is_token(name) || splits)
			continue;
		if (add_field(head, name, value) != 0)
			return -1;
	}
	finish(head);
	return 0;
}

/* status-line (RFC 9112 4): its reason phrase may be left out. 0, or -1. */
static int read_status_line(struct head *head, struct span line)
{
	if (line.len < 12 || !span_starts(line, "HTTP/1.") || line.at[7] < '0' || line.at[7] > '9' ||
	    line.at[8] != ' ' || (line.len > 12 && line.at[12] != ' '))
		return -1;
	head->minor = line.at[7] == '0' ? 0 : 1;
	head->status = 0;
	for (size_t i = 9; i < 12; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return -1;
		head->status = head->status * 10 + (line.at[i] - '0');
	}
	return head->status >= 100 ? 0 : -1;
}

enum message_parsed message_parse_response(struct head *head, struct span bytes, struct fault *fault)
{
	struct span rest = bytes, line;
	size_t first = 0, lines = 0;
	forget(head);
	for (const char *lf; rest.len > 0 && (lf = memchr(rest.at, '\n', rest.len)) != NULL; lines++) {
		line = span_make(rest.at, (size_t)(lf - rest.at));
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		rest = span_from(rest, (size_t)(lf - rest.at) + 1);
		head->bytes = bytes.len - rest.len;
		if (lines == 0 && read_status_line(head, line) != 0)
			return refuse(fault, 502, "its head is not HTTP");
		if (lines == 0)
			first = head->bytes;
		else if (line.len == 0)
			return message_parse_fields(head, span_make(bytes.at + first, head->bytes - first)) == 0
				   ? MESSAGE_WHOLE
				   : refuse(fault, 502, "its head is too large");
	}
	return bytes.len > MESSAGE_HEAD_MAX ? refuse(fault, 502, "its head is too large") : MESSAGE_MORE;
}

void message_leave_out(struct head *head, const char *name)
{
	size_t kept = 0;
	if (!message_has(head, name))
		return;
	for (size_t i = 0; i < head->count; i++)
		if (!span_is_nocase(head->fields[i].name, name))
			head->fields[kept++] = head->fields[i];
	head->count = kept;
	head->by_name_count = 0;
	if (kept >= FIELDS_MANY)
		sort_by_name(head);
}

struct span message_request_line(const struct head *h)
{
	return span_make(h->method.at, (size_t)(h->target.at - h->method.at) + h->target.len + strlen(" HTTP/1.1"));
}

struct span message_find(const struct head *head, const char *name)
{
	const struct field *f = message_next(head, span_of(name), NULL);
	return f != NULL ? f->value : span_make(NULL, 0);
}

bool message_has(const struct head *head, const char *name)
{
	return message_find(head, name).at != NULL;
}

static bool line_lists(struct span value, struct span token)
{
	struct span member;
	while (field_next(&value, &member))
		if (span_same_nocase(field_bare(member), token))
			return true;
	return false;
}

bool message_lists(const struct head *head, const char *name, const char *token)
{
	const struct field *line = NULL;
	while ((line = message_next(head, span_of(name), line)) != NULL)
		if (line_lists(line->value, span_of(token)))
			return true;
	return false;
}

bool message_is_end_to_end(const struct field *field)
{
	static const char *const hop_by_hop[] = {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
	    "Transfer-Encoding", "Upgrade", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info"};
	for (size_t i = 0; i < sizeof hop_by_hop / sizeof *hop_by_hop; i++)
		if (span_is_nocase(field->name, hop_by_hop[i]))
			return false;
	return !field->in_connection;
}

bool message_keeps_alive(const struct head *head)
{
	if (message_lists(head, "Connection", "close"))
		return false;
	if (head->minor > 0)
		return true;
	/* RFC 9112 9.3, C.2.2: a proxy keeps no connection open for an HTTP/1.0 client, and
	 * absolute form is how a client speaks to a proxy. */
	return span_starts(head->target, "/") && message_lists(head, "Connection", "keep-alive");
}

/*
 * Two parsers on purpose. message_parse_request() guards the front door: it looks for the end of
 * the head first, cheaply, then reads it once and refuses whatever two readers could understand
 * differently, since a disagreement about framing is how requests are smuggled (RFC 9112 11.2).
 * message_parse_fields() reads what an origin sent or what the index kept: it takes what is a field
 * and leaves out what is none, because refusing an answer helps nobody.
 *
 * A head's field array is kept between parses and grows by doubling up to MESSAGE_FIELDS_MAX.
 */
#include "http/message.h"

#include "http/field.h"

#include <stdlib.h>

void message_init(struct head *head)
{
	memset(head, 0, sizeof *head);
}

void message_fini(struct head *head)
{
	free(head->fields);
	message_init(head);
}

static void forget(struct head *head)
{
	struct field *fields = head->fields;
	size_t capacity = head->capacity;
	message_init(head);
	head->fields = fields;
	head->capacity = capacity;
}

static int add_field(struct head *head, struct span name, struct span value)
{
	if (head->count == MESSAGE_FIELDS_MAX)
		return -1;
	if (head->count == head->capacity) {
		size_t capacity = head->capacity == 0 ? 32 : head->capacity * 2;
		struct field *fields = reallocarray(head->fields, capacity, sizeof *fields);
		if (fields == NULL)
			return -1;
		head->fields = fields;
		head->capacity = capacity;
	}
	head->fields[head->count].name = name;
	head->fields[head->count].value = value;
	head->count++;
	return 0;
}

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

/* Takes a line that ends in CRLF off the front of *rest, without its end. 1; 0 when its end has not
 * come yet; -1 when it ends in a bare LF or holds a bare CR. */
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
		return refuse(fault, 400, "the HTTP version is no version (RFC 9112 2.3)");
	if (major != '1')
		return refuse(fault, 505, "only HTTP/1.x is spoken here (RFC 9110 15.6.6)");
	head->minor = minor == '0' ? 0 : 1;
	return MESSAGE_WHOLE;
}

static enum message_parsed read_request_line(
    struct head *head, struct span line, struct fault *fault)
{
	const char *space = line.len > 0 ? memchr(line.at, ' ', line.len) : NULL;
	if (space == NULL)
		return refuse(fault, 400, "the request line is no request line (RFC 9112 3)");
	head->method = span_make(line.at, (size_t)(space - line.at));
	if (!message_is_token(head->method))
		return refuse(fault, 400, "the method is no token (RFC 9112 3.1)");
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
			return refuse(
			    fault, 400, "the request target holds a control byte (RFC 9112 3.2)");
	}
	return read_version(head, span_from(rest, head->target.len + 1), fault);
}

static enum message_parsed read_request_field(
    struct head *head, struct span line, struct fault *fault)
{
	if (line.at[0] == ' ' || line.at[0] == '\t')
		return refuse(fault, 400, "a field is folded over several lines (RFC 9112 5.2)");
	const char *colon = memchr(line.at, ':', line.len);
	if (colon == NULL)
		return refuse(fault, 400, "a field line has no colon (RFC 9112 5)");
	struct span name = span_make(line.at, (size_t)(colon - line.at));
	if (!message_is_token(name))
		return refuse(fault, 400,
		    "a field name is no token or is followed by a space (RFC 9112 5.1)");
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
	static const char marks[] = "-._~%!$&'()*+;=:[]";
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];
		bool alnum =
		    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!alnum && (c == '\0' || strchr(marks, c) == NULL))
			return false;
	}
	return true;
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
			return refuse(fault, 400, "Host is no host (RFC 9112 3.2)");
	}
	if (hosts > 1)
		return refuse(fault, 400, "there is more than one Host (RFC 9112 3.2)");
	if (hosts == 0 && head->minor > 0)
		return refuse(fault, 400, "HTTP/1.1 needs a Host (RFC 9112 3.2)");
	return MESSAGE_WHOLE;
}

/* Looks for the empty line that ends the head and refuses at once what can never become one, so
 * that a client that speaks something else does not wait for a timeout. */
static enum message_parsed find_end(struct head *head, struct span bytes, struct fault *fault)
{
	struct span rest = bytes, line;
	int got;
	size_t lines = 0;
	while ((got = take_line(&rest, &line)) > 0) {
		size_t used = bytes.len - rest.len;
		if (line.len == 0 && lines > 0) {
			head->bytes = used;
			return used > MESSAGE_HEAD_MAX
				   ? refuse(fault, 431, "the request head is too long (RFC 6585 5)")
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
	return check_host(head, fault);
}

int message_parse_fields(struct head *head, struct span text)
{
	head->count = 0;
	while (text.len > 0) {
		const char *lf = memchr(text.at, '\n', text.len);
		size_t n = lf == NULL ? text.len : (size_t)(lf - text.at);
		struct span line = span_make(text.at, n);
		text = span_from(text, lf == NULL ? n : n + 1);
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			return 0;
		const char *colon = memchr(line.at, ':', line.len);
		if (colon == NULL || line.at[0] == ' ' || line.at[0] == '\t')
			continue;
		/* RFC 9112 5.1: white space before a response's colon is removed. */
		struct span name = span_trim(span_make(line.at, (size_t)(colon - line.at)));
		struct span value = span_trim(span_from(line, (size_t)(colon - line.at) + 1));
		/* RFC 9110 5.5: other control bytes may stay, these two would split messages. */
		bool splits = value.len > 0 && (memchr(value.at, '\r', value.len) != NULL ||
						   memchr(value.at, '\0', value.len) != NULL);
		if (!message_is_token(name) || splits)
			continue;
		if (add_field(head, name, value) != 0)
			return -1;
	}
	return 0;
}

struct span message_find(const struct head *head, const char *name)
{
	for (size_t i = 0; i < head->count; i++)
		if (span_is_nocase(head->fields[i].name, name))
			return head->fields[i].value;
	return span_make(NULL, 0);
}

bool message_has(const struct head *head, const char *name)
{
	return message_find(head, name).at != NULL;
}

static bool line_lists(struct span value, struct span token)
{
	struct span member;
	while (field_next(&value, &member)) {
		const char *semicolon = memchr(member.at, ';', member.len);
		if (semicolon != NULL)
			member.len = (size_t)(semicolon - member.at);
		if (span_same_nocase(span_trim(member), token))
			return true;
	}
	return false;
}

static bool lists(const struct head *head, const char *name, struct span token)
{
	for (size_t i = 0; i < head->count; i++)
		if (span_is_nocase(head->fields[i].name, name) &&
		    line_lists(head->fields[i].value, token))
			return true;
	return false;
}

bool message_lists(const struct head *head, const char *name, const char *token)
{
	return lists(head, name, span_of(token));
}

bool message_is_end_to_end(const struct head *head, const struct field *field)
{
	static const char *const hop_by_hop[] = {"Connection", "Keep-Alive", "Proxy-Connection",
	    "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate",
	    "Proxy-Authorization", "Proxy-Authentication-Info"};
	for (size_t i = 0; i < sizeof hop_by_hop / sizeof *hop_by_hop; i++)
		if (span_is_nocase(field->name, hop_by_hop[i]))
			return false;
	return !lists(head, "Connection", field->name);
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

#include "http/forwarded.h"

#include "http/field.h"

enum { MEMBERS_MOST = 128 }; /* of one field line; a longer one names nobody */

bool forwarded_is(const struct head *head)
{
	static const char *const names[] = {"Via", "Forwarded", "X-Real-IP"};
	for (size_t i = 0; i < head->count; i++) {
		if (span_starts_nocase(head->fields[i].name, "X-Forwarded-"))
			return true;
		for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
			if (span_is_nocase(head->fields[i].name, names[n]))
				return true;
	}
	return false;
}

/* A parameter of a member of Forwarded (RFC 7239 4). {NULL, 0}: it has none, or two. */
static struct span parameter(struct span member, const char *wanted)
{
	struct span found = {NULL, 0}, name, value;
	while (member.len > 0) {
		size_t n = 0;
		for (bool quoted = false; n < member.len && (quoted || member.at[n] != ';'); n++)
			quoted = member.at[n] == '"' ? !quoted : quoted;
		field_directive(span_trim(span_make(member.at, n)), &name, &value);
		if (span_is_nocase(name, wanted)) {
			if (found.at != NULL)
				return span_make(NULL, 0);
			found = value;
		}
		member = span_from(member, n < member.len ? n + 1 : n);
	}
	return found;
}

/* A node (RFC 7239 6) with or without a port. X-Forwarded-For has IPv6 addresses without brackets too. 0, or -1: it is
 * no address. */
static int read_node(struct span node, struct in6_addr *at)
{
	const char *end = node.len > 0 ? memchr(node.at, ']', node.len) : NULL;
	if (node.len > 0 && node.at[0] == '[') {
		if (end == NULL || (end + 1 < node.at + node.len && end[1] != ':'))
			return -1;
		return cidr_parse_address(span_make(node.at + 1, (size_t)(end - node.at) - 1), at);
	}
	const char *colon = node.len > 0 ? memchr(node.at, ':', node.len) : NULL;
	if (colon != NULL && memchr(colon + 1, ':', node.len - (size_t)(colon - node.at) - 1) == NULL)
		node.len = (size_t)(colon - node.at);
	return cidr_parse_address(node, at);
}

/* Reads one line from the right. True: the client, or what stands in its place, was found; *naming says which. False:
 * the line has trusted proxies only, and the next one on the left must be read. *client is the last address read. */
static bool read_line(struct span line, bool rfc7239, const struct cidr_list *trusted, struct in6_addr *client,
    enum forwarded_naming *naming)
{
	struct span members[MEMBERS_MOST], member;
	size_t count = 0;
	*naming = FORWARDED_UNNAMED;
	while (field_next(&line, &member)) {
		if (count == MEMBERS_MOST)
			return true;
		members[count++] = member;
	}
	while (count > 0) {
		member = members[--count];
		bool named = read_node(rfc7239 ? parameter(member, "for") : member, client) == 0;
		*naming = named ? FORWARDED_NAMED : FORWARDED_UNNAMED;
		if (!named || !cidr_list_holds(trusted, client))
			return true;
	}
	return false;
}

static enum forwarded_naming read_field(
    const struct head *head, const char *name, bool rfc7239, const struct cidr_list *trusted, struct in6_addr *client)
{
	enum forwarded_naming naming = FORWARDED_ABSENT, of_line;
	for (size_t i = head->count; i-- > 0;) {
		if (!span_is_nocase(head->fields[i].name, name))
			continue;
		bool found = read_line(head->fields[i].value, rfc7239, trusted, client, &of_line);
		/* An empty line names nobody, but the one on its left may. */
		if (found || naming != FORWARDED_NAMED)
			naming = of_line;
		if (found)
			break;
	}
	return naming;
}

enum forwarded_naming forwarded_client(
    const struct head *head, const struct cidr_list *trusted, struct in6_addr *client, struct in6_addr *other)
{
	enum forwarded_naming old = read_field(head, "X-Forwarded-For", false, trusted, client);
	enum forwarded_naming new = read_field(head, "Forwarded", true, trusted, other);
	if (old == FORWARDED_UNNAMED || new == FORWARDED_UNNAMED)
		return FORWARDED_UNNAMED;
	if (old == FORWARDED_ABSENT && new == FORWARDED_NAMED)
		*client = *other;
	if (old == FORWARDED_ABSENT || new == FORWARDED_ABSENT)
		return old == FORWARDED_ABSENT ? new : old;
	return memcmp(client, other, sizeof *client) == 0 ? FORWARDED_NAMED : FORWARDED_TWO;
}

/* The last member of the last line. {NULL, 0}: there is none. */
static struct span last_member(const struct head *head, const char *name)
{
	struct span last = {NULL, 0}, member;
	for (size_t i = 0; i < head->count; i++) {
		struct span line = head->fields[i].value;
		if (!span_is_nocase(head->fields[i].name, name))
			continue;
		while (field_next(&line, &member))
			last = member;
	}
	return last;
}

void forwarded_url(const struct head *head, struct forwarded_url *url)
{
	struct span member = last_member(head, "Forwarded");
	url->host = last_member(head, "X-Forwarded-Host");
	url->proto = last_member(head, "X-Forwarded-Proto");
	if (url->host.at == NULL && member.at != NULL)
		url->host = parameter(member, "host");
	if (url->proto.at == NULL && member.at != NULL)
		url->proto = parameter(member, "proto");
}

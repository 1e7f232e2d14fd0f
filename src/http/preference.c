#include "http/preference.h"

#include "http/field.h"

/* qvalue (RFC 9110 12.4.2) in thousandths; -1 when it is malformed. */
static int read_weight(struct span s)
{
	static const int places[] = {100, 10, 1};
	if (s.len == 0 || s.len > 5 || (s.at[0] != '0' && s.at[0] != '1'))
		return -1;
	int weight = (s.at[0] - '0') * 1000;
	if (s.len > 1 && s.at[1] != '.')
		return -1;
	for (size_t i = 2; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return -1;
		weight += (s.at[i] - '0') * places[i - 2];
	}
	return weight > 1000 ? -1 : weight;
}

/* Splits `name ;q=0.5`. False when anything else follows the name. */
static bool read_preference(struct span member, struct preference *p)
{
	p->name = member;
	p->weight = 1000;
	const char *semicolon = memchr(member.at, ';', member.len);
	if (semicolon == NULL)
		return message_is_token(p->name);
	p->name.len = (size_t)(semicolon - member.at);
	struct span parameter = span_trim(span_from(member, p->name.len + 1));
	p->name = span_trim(p->name);
	if (!span_starts_nocase(parameter, "q="))
		return false;
	p->weight = read_weight(span_from(parameter, 2));
	return p->weight >= 0 && message_is_token(p->name);
}

int preference_read(const struct head *request, struct span name, struct preference out[PREFERENCE_MAX])
{
	int count = 0;
	const struct field *line = NULL;
	while ((line = message_next(request, name, line)) != NULL) {
		struct span rest = line->value, member;
		while (field_next(&rest, &member))
			if (count == PREFERENCE_MAX || !read_preference(member, &out[count++]))
				return -1;
	}
	return count;
}

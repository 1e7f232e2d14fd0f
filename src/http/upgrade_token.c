#include "http/upgrade_token.h"

#include "http/field.h"

/* The name, without the version. */
static struct span name_of(struct span token)
{
	const char *slash = token.len > 0 ? memchr(token.at, '/', token.len) : NULL;
	return span_make(token.at, slash != NULL ? (size_t)(slash - token.at) : token.len);
}

bool upgrade_token_is_valid(struct span token)
{
	struct span name = name_of(token);
	return message_is_token(name) && (name.len == token.len || message_is_token(span_from(token, name.len + 1)));
}

/* Drafts had names such as h2c-14. */
bool upgrade_token_is_forbidden(struct span token)
{
	struct span name = name_of(token);
	return span_is_nocase(name, "HTTP") || span_is_nocase(name, "TLS") || span_starts_nocase(name, "h2");
}

static bool lists(struct span list, struct span token)
{
	struct span member;
	while (field_next(&list, &member))
		if (span_same_nocase(member, token))
			return true;
	return false;
}

bool upgrade_token_was_offered(struct span offered, const struct head *response)
{
	const struct field *line = NULL;
	bool any = false;
	while ((line = message_next(response, span_of("Upgrade"), line)) != NULL) {
		struct span rest = line->value, member;
		for (; field_next(&rest, &member); any = true)
			if (!lists(offered, member))
				return false;
	}
	return any;
}

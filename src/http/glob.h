/*
 * glob: SQLite's GLOB, and the meaning of a glob that a person types.
 *
 * Pure. Any thread may call. Globs are matched with normal URLs (key.h), here and in SQL. So a typed glob is brought to
 * that form: a host in upper case or with its default port, and "%7e", match what they would match in a URL. Brackets
 * mean what the person means: "[::1]" is a host and "tag[]=" a parameter, although SQLite's GLOB would read both as
 * sets.
 */
#ifndef CURLEW_HTTP_GLOB_H
#define CURLEW_HTTP_GLOB_H

#include "base/buf.h"

/* SQLite's GLOB: * matches any run, ? any character; [abc] [a-z] [^a] are sets. Case matters. As in SQLite, ? and sets
 * match whole UTF-8 characters. */
bool glob_matches(const char *pattern, const char *text);

/* True when the typed glob has a scheme or a wildcard in its place. Otherwise it begins with a host. */
bool glob_has_scheme(const char *typed);

/* True when the typed glob has a * or a set. Otherwise it is a URL, and its ? and other brackets mean themselves. */
bool glob_is_wild(const char *typed);

/* True when a [ in the text is never closed. In a typed glob it means itself; SQLite's GLOB matches nothing then. */
bool glob_has_open_bracket(struct span text);

/* Brings a glob that a person typed to the form that is matched with normal URLs, and appends it. scheme: "http",
 * "https" or "http*", put before what has none. 0, or -1 with *why, a sentence: it can match no URL, or not what is
 * meant. */
int glob_read(const char *typed, const char *scheme, struct buf *out, const char **why);

/* Appends a glob that matches only this text. */
void glob_quote(struct span text, struct buf *out);

#endif

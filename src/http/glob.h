/*
 * glob: SQLite's GLOB, and what a person means by one.
 *
 * Pure; any thread. Globs are matched with normal URLs (key.h), by this room and by SQL alike. So what a person types
 * is brought to that form: a host in lower case or with its default port, and "%7e", match what they would match as
 * URLs. Brackets are read as they are meant: "[::1]" is a host and "tag[]=" a parameter, although SQLite's GLOB would
 * take both for sets.
 */
#ifndef CURLEW_HTTP_GLOB_H
#define CURLEW_HTTP_GLOB_H

#include "base/buf.h"

/* SQLite's GLOB: * any run, ? any one character, [abc] [a-z] [^a] sets; case counts; by bytes, but ? and sets take
 * whole UTF-8 characters, as SQLite does. */
bool glob_matches(const char *pattern, const char *text);

/* Does what a person typed say the scheme, or leave it open by itself? If not, it begins with a host. */
bool glob_has_scheme(const char *typed);

/* Is there a * or a set in what a person typed? If not, it is a URL; each ? in it and each other bracket means itself.
 */
bool glob_is_wild(const char *typed);

/* Brings a glob that a person typed to the form that is matched with normal URLs, and appends it. scheme: "http",
 * "https" or "http*", put before what has none. 0, or -1 with *why, a sentence: it can match no URL, or not what is
 * meant. */
int glob_read(const char *typed, const char *scheme, struct buf *out, const char **why);

/* Appends a text as a glob that matches itself alone. */
void glob_quote(struct span text, struct buf *out);

#endif

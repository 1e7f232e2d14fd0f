/* version: is a database an index of curlew, and of which version? For one thread. */
#ifndef CURLEW_INDEX_VERSION_H
#define CURLEW_INDEX_VERSION_H

#include "base/buf.h"

#include <sqlite3.h>
#include <stdint.h>

/* These must agree with sql/schema.sql. */
#define INDEX_APPLICATION_ID 0x63726c77 /* "crlw" */
#define INDEX_VERSION 4

/* Is it an index of exactly this version? 0, or -1 with why. */
int index_check(sqlite3 *, const char *dir, struct buf *why);
/* The version as its tables and columns show it, where application_id or user_version is missing. 0: not an index. */
int index_unsigned_version(sqlite3 *);
/* Explains that the database is not an index (unsigned_version 0), or that it lacks those numbers and how to set them.
 */
void index_describe_foreign(
    const char *dir, int64_t application, int64_t version, int unsigned_version, struct buf *why);

#endif

/*
 * bodyname: what the file of a body is called: "body/ab/" and twelve hex digits of a number. ab are the digits that
 * change every 65,536 names, so that neighbours in time are neighbours on the disk and in entry_by_body.
 */
#ifndef CURLEW_INDEX_BODY_NAME_H
#define CURLEW_INDEX_BODY_NAME_H

#include <stdint.h>

#define BODY_NAME_SIZE 24
#define BODY_FIRST_DIGIT 8 /* of the number within a name: "body/ab/" */

void body_name(int64_t number, char name[BODY_NAME_SIZE]);
/* The number of a name of exactly this shape; -1 for anything else. */
int64_t body_number(const char *name);

#endif

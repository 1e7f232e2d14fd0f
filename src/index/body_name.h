/*
 * body_name: the name of a body's file: "body/ab/" and a number as twelve hex digits. ab are the digits that change
 * every 65,536 names, so bodies stored at about the same time are close to each other on the disk and in entry_by_body.
 */
#ifndef CURLEW_INDEX_BODY_NAME_H
#define CURLEW_INDEX_BODY_NAME_H

#include <stdint.h>

#define BODY_NAME_SIZE 24
#define BODY_FIRST_DIGIT 8 /* where the number begins in a name, after "body/ab/" */

void body_name(int64_t number, char name[BODY_NAME_SIZE]);
/* The number of a name of exactly this form; -1 for any other text. */
int64_t body_number(const char *name);

#endif

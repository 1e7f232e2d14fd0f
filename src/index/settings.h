/* settings: the table setting: what is true of the whole cache. The thread of the connection calls. */
#ifndef CURLEW_INDEX_SETTINGS_H
#define CURLEW_INDEX_SETTINGS_H

#include "index/index.h"

#include <stdint.h>

/* A setting as a number; 0 where there is none. -1: error. */
int64_t index_setting(struct index *, const char *name);

/* Inside a transaction. 0 or -1. */
int index_setting_set(struct index *, const char *name, const char *value);
int index_setting_remove(struct index *, const char *names); /* a GLOB */

#endif

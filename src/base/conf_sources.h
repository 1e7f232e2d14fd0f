/* conf_sources: settings from the environment and from the configuration file. One thread. Each function returns 0, or
 * -1 after it has reported an error. */
#ifndef CURLEW_BASE_CONF_SOURCES_H
#define CURLEW_BASE_CONF_SOURCES_H

#include "base/conf_values.h"

/* The CURLEW_* variables. An unknown one is reported and ignored. */
int conf_sources_environment(struct conf *);
/* The configuration file: `named` (the value of --config, or NULL), else $CURLEW_CONFIG, else the user's file, else
 * /etc/curlew.conf. */
int conf_sources_file(struct conf *, const char *named);

#endif

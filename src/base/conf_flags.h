/* conf_flags: the command line of a verb, read by getopt_long(3). One thread. */
#ifndef CURLEW_BASE_CONF_FLAGS_H
#define CURLEW_BASE_CONF_FLAGS_H

#include "base/conf_values.h"

enum conf_flags_result { CONF_FLAGS_READ, CONF_FLAGS_HELP, CONF_FLAGS_WRONG /* reported */ };

/* One pass over the command line; sets the operands. *config: the value of --config. apply: false only looks for
 * --config (or --check, which names a file too) and --help, because the configuration file is read before the options.
 */
enum conf_flags_result conf_flags_read(struct conf *, int argc, char **argv, bool apply, const char **config);

#endif

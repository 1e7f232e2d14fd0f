/*
 * reload: SIGHUP. Reads the options again, puts those that can change in place, and names the others. Also records in
 * the cache what options the server has. The main thread.
 */
#ifndef CURLEW_SERVER_RELOAD_H
#define CURLEW_SERVER_RELOAD_H

#include "proxy/context.h"

/* Opens the access log again, and replaces the settings. False after an error, which was reported: then everything
 * stays as it was. */
bool reload(struct context *);

/* Records the addresses and settings of this server in the cache, for programs that look into it (`curlew explain`). */
void reload_note_settings(const struct context *);

#endif

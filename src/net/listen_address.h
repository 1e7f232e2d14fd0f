/*
 * listen_address: one value of --listen or --admin-listen, read into addresses or a path.
 *
 * Pure. Names are not looked up here.
 */
#ifndef CURLEW_NET_LISTEN_ADDRESS_H
#define CURLEW_NET_LISTEN_ADDRESS_H

#include <sys/types.h>
#include <sys/un.h>

enum { LISTEN_ADDRESS_HOSTS = 2 };

struct listen_address {
	/* A host each, without brackets; "": none. There are two if the value means both address families. */
	char hosts[LISTEN_ADDRESS_HOSTS][256];
	char port[6];

	char path[sizeof((struct sockaddr_un *)NULL)->sun_path]; /* of a unix socket; "": it is none */
	mode_t mode;                                             /* of its file */
};

/* The forms of a value, for error messages and documents. */
#define LISTEN_ADDRESS_FORMS "8899, :8899, 127.0.0.1:8899, [::1]:8899, localhost:8899 or unix:PATH"

/* Reads a value. NULL, or what is wrong with it (a constant text). */
const char *listen_address_parse(const char *text, struct listen_address *);

#endif

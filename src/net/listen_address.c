#include "net/listen_address.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Only the user and the group may connect, unless the value says otherwise. */
enum { DEFAULT_MODE = 0660, MOST_MODE = 0777 };

static const char unix_scheme[] = "unix:", mode_option[] = "mode=";

static bool is_port(const char *text)
{
	size_t n = strlen(text);
	return n > 0 && n <= 5 && text[strspn(text, "0123456789")] == '\0' && atoi(text) <= 65535;
}

/* Reads "0660" or "660". 0, or -1. */
static int read_mode(const char *text, mode_t *mode)
{
	size_t n = strlen(text);
	if (n < 3 || n > 4 || text[strspn(text, "01234567")] != '\0')
		return -1;
	*mode = (mode_t)strtoul(text, NULL, 8);
	return *mode <= MOST_MODE ? 0 : -1;
}

/* Reads "PATH[,mode=MODE]". */
static const char *read_path(const char *text, struct listen_address *a)
{
	size_t n = strcspn(text, ",");
	a->mode = DEFAULT_MODE;
	if (n == 0 || n >= sizeof a->path)
		return "the path of a socket must have 1 to 107 bytes (choose another path)";
	memcpy(a->path, text, n);
	a->path[n] = '\0';
	if (text[n] == '\0')
		return NULL;
	const char *option = text + n + 1;
	if (strncmp(option, mode_option, sizeof mode_option - 1) != 0 ||
	    read_mode(option + sizeof mode_option - 1, &a->mode) != 0)
		return "only a mode may follow the comma (give ,mode=0660)";
	return NULL;
}

/* 0, or -1: it has no place. */
static int set_hosts(struct listen_address *a, const char *first, const char *second)
{
	if (strlen(first) >= sizeof a->hosts[0])
		return -1;
	snprintf(a->hosts[0], sizeof a->hosts[0], "%s", first);
	snprintf(a->hosts[1], sizeof a->hosts[1], "%s", second);
	return 0;
}

/* "[::]" stands for all addresses of both families, as ":PORT" does. The localhost of RFC 6761 has two addresses,
 * whatever the resolver says. */
static int read_host(char *host, struct listen_address *a)
{
	size_t n = strlen(host);
	if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		host++;
	}
	if (strcmp(host, "") == 0 || strcmp(host, "*") == 0 || strcmp(host, "::") == 0)
		return set_hosts(a, "0.0.0.0", "::");
	if (strcasecmp(host, "localhost") == 0)
		return set_hosts(a, "127.0.0.1", "::1");
	return set_hosts(a, host, "");
}

const char *listen_address_parse(const char *text, struct listen_address *a)
{
	static const char fault[] = "not an address (give " LISTEN_ADDRESS_FORMS ")";
	const char *colon = strrchr(text, ':'), *port = colon != NULL ? colon + 1 : text;
	char host[sizeof a->hosts[0] + 2];
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;
	memset(a, 0, sizeof *a);
	if (strncmp(text, unix_scheme, sizeof unix_scheme - 1) == 0)
		return read_path(text + sizeof unix_scheme - 1, a);
	if (!is_port(port) || n >= sizeof host)
		return fault;
	snprintf(a->port, sizeof a->port, "%s", port);
	memcpy(host, text, n);
	host[n] = '\0';
	/* A port alone must not listen to the network. */
	return read_host(colon == NULL ? strcpy(host, "localhost") : host, a) == 0 ? NULL : fault;
}

/*
 * Besides the configured names, those are ours that only we can be reached by: loopback names, the address at which
 * this connection arrived, and the host name of the machine. A name that an attacker controls is none of them.
 */
#include "proxy/server_names.h"

#include "base/conf.h"
#include "base/log.h"
#include "http/authority.h"
#include "net/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The host of an authority; an IPv6 address loses its brackets. Empty: it has none, or is malformed. */
static struct span host_in(struct span text)
{
	struct authority a;
	if (authority_split(text, &a) != 0)
		return span_make("", 0);
	bool bracketed = a.host.len > 0 && a.host.at[0] == '[';
	return bracketed ? span_make(a.host.at + 1, a.host.len - 2) : a.host;
}

static bool is_local_address(struct span host, int fd)
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;
	char text[INET6_ADDRSTRLEN] = "";
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &n) != 0)
		return false;
	if (at.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)&at)->sin_addr, text, sizeof text);
	else if (at.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)&at)->sin6_addr, text, sizeof text);
	return span_is_nocase(host, text);
}

static bool is_loopback(struct span host)
{
	char text[64];
	struct in_addr v4;
	struct in6_addr v6;
	if (span_is_nocase(host, "localhost") || span_is_nocase(host, "localhost."))
		return true;
	if (host.len == 0 || host.len >= sizeof text)
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool server_names_is_loopback(struct span host)
{
	return is_loopback(host_in(span_trim(host)));
}

/* host: without a port. */
static bool is_configured(const struct conf *conf, struct span host)
{
	for (size_t i = 0; conf_item(conf, "server-name", i) != NULL; i++)
		if (span_same_nocase(host, host_in(span_of(conf_item(conf, "server-name", i)))))
			return true;
	struct listen_address a;
	for (size_t i = 0; conf_item(conf, "listen", i) != NULL; i++)
		if (listen_address_parse(conf_item(conf, "listen", i), &a) == NULL)
			for (size_t n = 0; n < LISTEN_ADDRESS_HOSTS; n++)
				if (a.hosts[n][0] != '\0' && span_is_nocase(host, a.hosts[n]))
					return true;
	return false;
}

bool server_names_include(const struct conf *conf, struct span host, int local_fd)
{
	char machine[256] = "";
	host = host_in(span_trim(host));
	if (host.len == 0)
		return false;
	if (is_loopback(host) || is_local_address(host, local_fd) || is_configured(conf, host))
		return true;
	return gethostname(machine, sizeof machine - 1) == 0 && span_is_nocase(host, machine);
}

struct span server_names_site(const struct conf *conf, struct span host)
{
	static const char zone[] = ".localhost";
	struct span name = host_in(span_trim(host)), none = {NULL, 0};
	struct span label = name;
	if (label.len > 0 && label.at[label.len - 1] == '.')
		label.len--;
	if (label.len < sizeof zone || !span_is_nocase(span_from(label, label.len - (sizeof zone - 1)), zone))
		return none;
	label.len -= sizeof zone - 1;
	return memchr(label.at, '.', label.len) == NULL && !is_configured(conf, name) ? label : none;
}

struct span server_names_port(struct span host)
{
	struct authority a;
	host = span_trim(host);
	return authority_split(host, &a) == 0 ? span_from(host, a.host.len) : span_make("", 0);
}

int server_names_check(const struct conf *conf)
{
	const char *name;
	for (size_t i = 0; (name = conf_item(conf, "server-name", i)) != NULL; i++) {
		struct authority a;
		if (authority_split(span_of(name), &a) == 0 && a.host.len > 0 && a.port == AUTHORITY_NO_PORT &&
		    name[strlen(name) - 1] != ':')
			continue;
		log_say("%s %s: not a host name (write it as in Host, without a port; an internationalised "
			"name as xn--...)",
		    conf_called(conf, "server-name", i), name);
		return -1;
	}
	return 0;
}

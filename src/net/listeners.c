/*
 * All options of accepted sockets are set here, on the listener, because the kernel copies them at accept(): a loop
 * then needs one system call for each new connection.
 */
#include "net/listeners.h"

#include "base/conf.h"
#include "base/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that the kernel keeps for us while the loops are busy; it takes less if net.core.somaxconn is less. */
enum { BACKLOG = 4096 };

static const char unix_scheme[] = "unix:";

static const char *socket_path(const char *address)
{
	return strncmp(address, unix_scheme, sizeof unix_scheme - 1) == 0 ? address + sizeof unix_scheme - 1 : NULL;
}

/* Splits "ADDR:PORT" or "[ADDR]:PORT". The address is required: a bare port would listen on all interfaces. */
static int split_address(const char *at, char host[256], char port[16])
{
	const char *colon = strrchr(at, ':');
	size_t n = colon != NULL ? (size_t)(colon - at) : 0;
	snprintf(port, 16, "%s", colon != NULL ? colon + 1 : "");
	if (n == 0 || port[0] == '\0' || port[strspn(port, "0123456789")] != '\0' || strlen(port) > 5 ||
	    atoi(port) > 65535 || n >= 255)
		return -1;
	if (n > 1 && at[0] == '[' && at[n - 1] == ']') {
		at++;
		n -= 2;
	}
	memcpy(host, at, n);
	host[n] = '\0';
	return 0;
}

int listeners_check(const struct conf *conf)
{
	char host[256], port[16];
	const char *address;
	struct sockaddr_un un;
	for (size_t i = 0; (address = conf_item(conf, "listen", i)) != NULL; i++) {
		if (i == LISTENERS_MOST) {
			log_say("--listen %s: too many addresses (%d at most)", address, LISTENERS_MOST);
			return -1;
		} else if (split_address(address, host, port) != 0) {
			log_say("--listen %s: not an address (give ADDR:PORT, such as 127.0.0.1:8899 or [::1]:8899)",
			    address);
			return -1;
		}
	}
	address = conf_text(conf, "admin-listen");
	const char *path = address != NULL ? socket_path(address) : NULL;
	if (path != NULL && (path[0] == '\0' || strlen(path) >= sizeof un.sun_path)) {
		log_say("--admin-listen %s: the path of a socket must have 1 to %zu bytes (choose another path)",
		    address, sizeof un.sun_path - 1);
		return -1;
	}
	if (address != NULL && path == NULL && split_address(address, host, port) != 0) {
		log_say("--admin-listen %s: not an address (give ADDR:PORT or unix:PATH)", address);
		return -1;
	}
	return 0;
}

/* Closes fd and keeps errno, which tells why it is of no use. Returns -1. */
static int give_up(int fd)
{
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* A send() that makes no progress for so long fails: a client that reads nothing must not hold a thread for ever.
 * Accepted sockets inherit the option from the listener. */
static void set_send_timeout(int fd, double seconds)
{
	struct timeval tv = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static int listen_on(const struct addrinfo *ai, double send_timeout_s)
{
	int on = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* A server that restarts may bind the port although old connections are in TIME-WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* "[::]:8899" is IPv6 only on every system, so that it can be given together with "0.0.0.0:8899". */
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	/* A response leaves in one or two sends, so nothing is gained by waiting for more. Inherited too. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	set_send_timeout(fd, send_timeout_s);
	return bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0 ? fd : give_up(fd);
}

/* Removes a socket file that a server left when it was killed. If a server still listens there, connect() succeeds, and
 * bind() will report the address as in use. */
static void remove_stale(const struct sockaddr_un *at)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED)
		unlink(at->sun_path);
	if (fd >= 0)
		close(fd);
}

/* Only the user and the group may connect. Between bind() and listen() nobody can, so chmod() comes in time. */
static int listen_at(const char *path, double send_timeout_s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	remove_stale(&at);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	set_send_timeout(fd, send_timeout_s);
	if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0)
		return give_up(fd);
	return chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0 ? fd : give_up(fd);
}

/* Opens one address and adds it to l->fds. Returns the descriptor, or -1 after the error was reported: each cause comes
 * with what to do about it. */
static int open_one(struct listeners *l, const char *option, const char *address, double send_timeout_s)
{
	char host[256], port[16];
	const char *path = socket_path(address);
	int fd;
	if (path != NULL) {
		fd = listen_at(path, send_timeout_s);
	} else {
		struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found = NULL;
		split_address(address, host, port);
		int rc = getaddrinfo(host, port, &hints, &found);
		if (rc != 0) {
			log_say("--%s %s: %s (give an address of this machine)", option, address, gai_strerror(rc));
			return -1;
		}
		fd = listen_on(found, send_timeout_s); /* the first address, if a name has several */
		freeaddrinfo(found);
	}
	if (fd < 0) {
		const char *help = errno == EADDRINUSE
				       ? "another server listens there: stop it, or choose another address"
				   : path != NULL    ? "choose a path in a directory that you may write to"
				   : errno == EACCES ? "only root may listen on ports below 1024: choose another port"
						     : "give an address of this machine";
		log_say("--%s %s: %s (%s)", option, address, strerror(errno), help);
		return -1;
	}
	l->fds[l->count++] = fd;
	return fd;
}

int listeners_open(struct listeners *l, const struct conf *conf)
{
	double send_timeout_s = conf_seconds(conf, "send-timeout");
	const char *admin = conf_text(conf, "admin-listen");
	*l = (struct listeners){.admin = -1};
	for (size_t i = 0; conf_item(conf, "listen", i) != NULL; i++)
		if (open_one(l, "listen", conf_item(conf, "listen", i), send_timeout_s) < 0)
			return -1;
	if (admin == NULL)
		return 0;
	l->admin = open_one(l, "admin-listen", admin, send_timeout_s);
	/* Only now, when the socket is ours: listeners_close() must not remove the file of another server. */
	if (l->admin >= 0 && socket_path(admin) != NULL)
		l->path = strdup(socket_path(admin));
	return l->admin >= 0 ? 0 : -1;
}

void listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		close(l->fds[i]);
	if (l->path != NULL)
		unlink(l->path);
	free(l->path);
	*l = (struct listeners){.admin = -1};
}

int listeners_name(const struct listeners *l, int fd, char name[LISTENERS_NAME])
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;
	char host[NI_MAXHOST], port[NI_MAXSERV];
	if (fd == l->admin && l->path != NULL) {
		snprintf(name, LISTENERS_NAME, "unix:%s", l->path);
		return 0;
	}
	if (getsockname(fd, (struct sockaddr *)&at, &n) != 0 ||
	    getnameinfo(
		(struct sockaddr *)&at, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -1;
	bool v6 = at.ss_family == AF_INET6;
	snprintf(name, LISTENERS_NAME, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
	return 0;
}

void listeners_announce(const struct listeners *l)
{
	char name[LISTENERS_NAME];
	for (size_t i = 0; i < l->count; i++)
		if (listeners_name(l, l->fds[i], name) == 0)
			log_say(l->fds[i] == l->admin ? "own pages on %s" : "listening on %s", name);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	if (a->ss_family != b->ss_family)
		return false;
	return a->ss_family == AF_INET ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
				       : IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

/* True of 0.0.0.0 and [::], which stand for all addresses of the machine. */
static bool is_any(const struct sockaddr_storage *at)
{
	const struct sockaddr_in *v4 = (const void *)at;
	const struct sockaddr_in6 *v6 = (const void *)at;
	return at->ss_family == AF_INET ? v4->sin_addr.s_addr == htonl(INADDR_ANY)
					: IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static bool is_loopback(const struct sockaddr_storage *at)
{
	const struct sockaddr_in *v4 = (const void *)at;
	const struct sockaddr_in6 *v6 = (const void *)at;
	return at->ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
					: IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static in_port_t port_of(const struct sockaddr_storage *at)
{
	return at->ss_family == AF_INET ? ((const struct sockaddr_in *)(const void *)at)->sin_port
					: ((const struct sockaddr_in6 *)(const void *)at)->sin6_port;
}

/* A listener on all interfaces has no address to compare with. But if the peer is an address of this machine, the
 * system connects from that same address, or both ends are on loopback. */
bool listeners_have_peer(const struct listeners *l, int fd)
{
	struct sockaddr_storage peer, here, at;
	socklen_t n = sizeof peer, m = sizeof here;
	if (getpeername(fd, (struct sockaddr *)&peer, &n) != 0 || getsockname(fd, (struct sockaddr *)&here, &m) != 0)
		return false;
	bool on_this_machine = same_address(&peer, &here) || is_loopback(&peer);
	for (size_t i = 0; i < l->count; i++) {
		n = sizeof at;
		if (getsockname(l->fds[i], (struct sockaddr *)&at, &n) != 0 || at.ss_family != peer.ss_family ||
		    port_of(&at) != port_of(&peer))
			continue;
		if (same_address(&at, &peer) || (is_any(&at) && on_this_machine))
			return true;
	}
	return false;
}

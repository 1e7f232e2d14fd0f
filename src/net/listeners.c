/*
 * All options of accepted sockets are set here, on the listener, because the kernel copies them at accept(): a loop
 * then needs one system call for each new connection.
 */
#include "net/listeners.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/owner.h"
#include "net/listen_address.h"
#include "net/passed_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that the kernel keeps for us while the loops are busy; it takes less if net.core.somaxconn is less. */
enum { BACKLOG = 4096 };

/* Checks the i-th value of an option, which is the only one if it cannot be repeated. 0, or -1 after the error was
 * reported. */
static int check_one(const struct conf *conf, const char *option, size_t i, const char *value)
{
	struct listen_address a;
	const char *fault =
	    i >= LISTENERS_VALUES ? "too many addresses (give 32 at most)" : listen_address_parse(value, &a);
	if (fault != NULL)
		log_say("%s %s: %s", conf_called(conf, option, i), value, fault);
	return fault == NULL ? 0 : -1;
}

int listeners_check(const struct conf *conf)
{
	const char *value, *admin = conf_text(conf, "admin-listen");
	for (size_t i = 0; (value = conf_item(conf, "listen", i)) != NULL; i++)
		if (check_one(conf, "listen", i, value) != 0)
			return -1;
	return admin == NULL ? 0 : check_one(conf, "admin-listen", 0, admin);
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

static void set_port(struct sockaddr_storage *at, in_port_t port)
{
	if (at->ss_family == AF_INET)
		((struct sockaddr_in *)(void *)at)->sin_port = port;
	else
		((struct sockaddr_in6 *)(void *)at)->sin6_port = port;
}

/* The address of a listener. False: it has none, because it is a unix socket. */
static bool address_of(int fd, struct sockaddr_storage *at)
{
	socklen_t n = sizeof *at;
	return getsockname(fd, (struct sockaddr *)at, &n) == 0 && at->ss_family != AF_UNIX;
}

static int listen_on(const struct sockaddr_storage *at, double send_timeout_s)
{
	int on = 1, fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* A server that restarts may bind the port although old connections are in TIME-WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* Each family has a socket of its own, so the address of an IPv4 client is never written as an IPv6 one. */
	if (at->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	/* A response leaves in one or two sends, so nothing is gained by waiting for more. Inherited too. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	set_send_timeout(fd, send_timeout_s);
	socklen_t n = at->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	return bind(fd, (const struct sockaddr *)at, n) == 0 && listen(fd, BACKLOG) == 0 ? fd : give_up(fd);
}

/* --- opening --- */

/* The addresses of one value, looked up. */
struct addresses {
	struct sockaddr_storage at[LISTENERS_ADDRESSES];
	size_t count;
};

/* 0, or what getaddrinfo() returned. */
static int look_up(const struct listen_address *a, struct addresses *found)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *list = NULL;
	found->count = 0;
	for (size_t i = 0; i < LISTEN_ADDRESS_HOSTS && a->hosts[i][0] != '\0'; i++) {
		int rc = getaddrinfo(a->hosts[i], a->port, &hints, &list);
		if (rc != 0)
			return rc;
		for (const struct addrinfo *ai = list; ai != NULL && found->count < LISTENERS_ADDRESSES;
		     ai = ai->ai_next)
			memcpy(&found->at[found->count++], ai->ai_addr, ai->ai_addrlen);
		freeaddrinfo(list);
	}
	return 0;
}

/* True if one of the sockets from `first` on has this address already: 0.0.0.0 may be given next to [::], which means
 * both families. */
static bool is_open(const struct listeners *l, size_t first, const struct sockaddr_storage *at)
{
	struct sockaddr_storage other;
	for (size_t i = first; i < l->count; i++)
		if (address_of(l->fds[i], &other) && same_address(&other, at) && port_of(&other) == port_of(at))
			return true;
	return false;
}

bool listeners_reach_beyond(const struct conf *conf)
{
	struct listen_address a;
	struct addresses found;
	const char *value;
	for (size_t i = 0; (value = conf_item(conf, "listen", i)) != NULL; i++) {
		if (listen_address_parse(value, &a) != NULL || a.path[0] != '\0' || look_up(&a, &found) != 0)
			continue;
		for (size_t k = 0; k < found.count; k++)
			if (!is_loopback(&found.at[k]))
				return true;
	}
	return false;
}

static void close_from(struct listeners *l, size_t count)
{
	while (l->count > count)
		close(l->fds[--l->count]);
}

/* Opens all addresses, with the same port: if the system is to choose it, it chooses for the first one. An address that
 * this machine does not have (IPv6 may be off) does no harm as long as another one works. option_first: the first
 * socket of the same option. 0, or -1 with errno and nothing opened. */
static int open_addresses(struct listeners *l, size_t option_first, struct addresses *a, double send_timeout_s)
{
	size_t first = l->count, opened = 0;
	in_port_t port = 0;
	int missing = EADDRNOTAVAIL;
	for (size_t i = 0; i < a->count; i++) {
		struct sockaddr_storage at = a->at[i];
		if (port_of(&at) == 0)
			set_port(&at, port);
		if (is_open(l, option_first, &at)) {
			opened++;
			continue;
		}
		int fd = listen_on(&at, send_timeout_s);
		if (fd < 0 && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
			missing = errno;
			continue;
		}
		if (fd < 0) {
			int saved = errno;
			close_from(l, first);
			errno = saved;
			return -1;
		}
		l->fds[l->count++] = fd;
		opened++;
		port = address_of(fd, &at) ? port_of(&at) : 0;
	}
	errno = missing;
	return opened > 0 ? 0 : -1;
}

/* A port that the system chose for one family may be in use in the other one. */
static int open_inet(struct listeners *l, size_t option_first, struct addresses *a, double send_timeout_s)
{
	int rc = -1;
	for (int tries = 0; tries < 16 && rc != 0; tries++) {
		rc = open_addresses(l, option_first, a, send_timeout_s);
		if (rc != 0 && (errno != EADDRINUSE || port_of(&a->at[0]) != 0))
			break;
	}
	return rc;
}

/* A socket file belongs to the owner of the cache directory, even when root makes it. */
static int open_unix(struct listeners *l, const struct listen_address *a, const char *cache, double send_timeout_s)
{
	int dir = open(cache, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct owner owner = owner_of(dir);
	if (dir >= 0)
		close(dir);
	int fd = unix_socket_bind(&l->files[l->file_count++], a->path, a->mode, &owner);
	if (fd < 0)
		return -1;
	set_send_timeout(fd, send_timeout_s);
	if (listen(fd, BACKLOG) != 0)
		return give_up(fd);
	l->fds[l->count++] = fd;
	return 0;
}

/* Opens one value. 0, or -1 after the error was reported: each cause comes with what to do about it. */
static int open_one(
    struct listeners *l, const struct conf *conf, const char *option, size_t option_first, const char *value)
{
	double send_timeout_s = conf_seconds(conf, "send-timeout");
	struct listen_address a;
	struct addresses found;
	listen_address_parse(value, &a); /* listeners_check() has found no fault */
	bool is_unix = a.path[0] != '\0';
	int rc = is_unix ? 0 : look_up(&a, &found);
	if (rc != 0) {
		log_say("--%s %s: %s (give an address of this machine)", option, value, gai_strerror(rc));
		return -1;
	}
	rc = is_unix ? open_unix(l, &a, conf_cache_dir(conf), send_timeout_s)
		     : open_inet(l, option_first, &found, send_timeout_s);
	if (rc == 0)
		return 0;
	const char *help = errno == EADDRINUSE ? "another server listens there: stop it, or choose another address"
			   : is_unix           ? "choose a path in a directory that you may write to"
			   : errno == EACCES   ? "only root may listen on ports below 1024: choose another port"
					       : "give an address of this machine";
	log_say("--%s %s: %s (%s)", option, value, strerror(errno), help);
	return -1;
}

/* Takes the passed sockets of one kind. Returns how many there are. */
static size_t take_passed(
    struct listeners *l, const struct passed_sockets *passed, bool admin, const struct conf *conf, const char *option)
{
	size_t first = l->count;
	int on = 1;
	for (size_t i = 0; i < passed->count; i++) {
		if (passed->admin[i] != admin)
			continue;
		setsockopt(passed->fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* no effect on a unix socket */
		set_send_timeout(passed->fds[i], conf_seconds(conf, "send-timeout"));
		l->passed[l->count] = true;
		l->fds[l->count++] = passed->fds[i];
	}
	if (l->count > first && conf_is_set(conf, option))
		log_say("%s: not used, because the service manager passes sockets (leave it out)",
		    conf_called(conf, option, 0));
	return l->count - first;
}

int listeners_open(struct listeners *l, const struct conf *conf)
{
	struct passed_sockets passed;
	const char *admin = conf_text(conf, "admin-listen");
	memset(l, 0, sizeof *l);
	if (passed_sockets_take(&passed) != 0)
		return -1;
	if (take_passed(l, &passed, false, conf, "listen") == 0)
		for (size_t i = 0; conf_item(conf, "listen", i) != NULL; i++)
			if (open_one(l, conf, "listen", 0, conf_item(conf, "listen", i)) != 0)
				return -1;
	l->admin_first = l->count;
	if (take_passed(l, &passed, true, conf, "admin-listen") > 0 || admin == NULL)
		return 0;
	return open_one(l, conf, "admin-listen", l->admin_first, admin);
}

void listeners_set_send_timeout(const struct listeners *l, double seconds)
{
	for (size_t i = 0; i < l->count; i++)
		set_send_timeout(l->fds[i], seconds);
}

void listeners_refuse(const struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (!l->passed[i])
			shutdown(l->fds[i], SHUT_RDWR);
}

void listeners_close(struct listeners *l)
{
	close_from(l, 0);
	for (size_t i = 0; i < l->file_count; i++)
		unix_socket_remove(&l->files[i]);
	memset(l, 0, sizeof *l);
}

/* --- what they are --- */

bool listeners_is_admin(const struct listeners *l, int fd)
{
	for (size_t i = l->admin_first; i < l->count; i++)
		if (l->fds[i] == fd)
			return true;
	return false;
}

bool listeners_are_loopback(const struct listeners *l)
{
	struct sockaddr_storage at;
	for (size_t i = 0; i < l->admin_first; i++)
		if (address_of(l->fds[i], &at) && !is_loopback(&at))
			return false;
	return true;
}

int listeners_name(int fd, char name[LISTENERS_NAME])
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_un un;
	} at = {0};
	socklen_t n = sizeof at;
	char host[NI_MAXHOST], port[NI_MAXSERV];
	if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
		return -1;
	if (at.any.ss_family == AF_UNIX) {
		snprintf(name, LISTENERS_NAME, "unix:%.*s", (int)sizeof at.un.sun_path, at.un.sun_path);
		return 0;
	}
	if (getnameinfo(
		(struct sockaddr *)&at, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -1;
	bool v6 = at.any.ss_family == AF_INET6;
	snprintf(name, LISTENERS_NAME, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
	return 0;
}

void listeners_announce(const struct listeners *l)
{
	char name[LISTENERS_NAME];
	for (size_t i = 0; i < l->count; i++)
		if (listeners_name(l->fds[i], name) == 0)
			log_say(i >= l->admin_first ? "own pages on %s" : "listening on %s", name);
}

/* True of a passed socket on [::] that takes IPv4 as well. */
static bool is_dual(int fd, const struct sockaddr_storage *at)
{
	int only = 1;
	socklen_t n = sizeof only;
	return at->ss_family == AF_INET6 && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &n) == 0 && only == 0;
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
		if (!address_of(l->fds[i], &at) || port_of(&at) != port_of(&peer))
			continue;
		bool family = at.ss_family == peer.ss_family || is_dual(l->fds[i], &at);
		if (same_address(&at, &peer) || (family && is_any(&at) && on_this_machine))
			return true;
	}
	return false;
}

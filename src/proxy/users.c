/*
 * One lock protects everything that changes. It is not held while a password is checked.
 *
 * Results stand in a table of small sets. A digest belongs to one set, and takes the place there that ends first.
 *
 * A check passes through three states, all under the lock: it waits for one of the few places, it runs, and it is over
 * when its result is in the table. `running` has the digests of those that run, so that equal ones wait for the result.
 */
#include "proxy/users.h"

#include "base/clock.h"
#include "base/thread.h"
#include "body/checksum.h"
#include "proxy/htpasswd.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	SETS = 1024,
	PLACES = 4,
	RIGHT_MS = 300000,
	WRONG_MS = 30000,
	RUNNING_MOST = 8,      /* fewer on a machine with fewer cores */
	WAITING_MOST = 128,    /* in all */
	WAITING_OF_CLIENT = 16 /* for one client */
};

struct digest {
	unsigned char bytes[32];
};

struct result {
	struct digest digest;
	int64_t until_ms;
	const char *name; /* NULL: wrong */
};

struct users {
	struct htpasswd *file;
	unsigned char salt[32];
	size_t running_most;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a check is over */
	struct result results[SETS][PLACES];
	struct digest running[RUNNING_MOST];
	size_t running_count;
	uint64_t waiting[WAITING_MOST]; /* the clients of those that wait */
	size_t waiting_count;
};

struct users *users_open(const char *path, struct buf *why)
{
	struct users *u = calloc(1, sizeof *u);
	if (u == NULL) {
		buf_adds(why, "--users: out of memory");
		return NULL;
	}
	pthread_mutex_init(&u->lock, NULL);
	thread_cond_init(&u->changed);
	long cores = sysconf(_SC_NPROCESSORS_ONLN) / 2; /* the other half is for everybody else */
	u->running_most = cores < 1 ? 1 : cores > RUNNING_MOST ? RUNNING_MOST : (size_t)cores;
	u->file = htpasswd_read(path, why);
	if (u->file != NULL && getrandom(u->salt, sizeof u->salt, 0) == (ssize_t)sizeof u->salt)
		return u;
	if (why->len == 0)
		buf_adds(why, "--users: no random numbers");
	users_free(u);
	return NULL;
}

void users_free(struct users *u)
{
	if (u == NULL)
		return;
	htpasswd_free(u->file);
	pthread_cond_destroy(&u->changed);
	pthread_mutex_destroy(&u->lock);
	explicit_bzero(u, sizeof *u);
	free(u);
}

/* --- results --- */

static int make_digest(const struct users *u, struct span credentials, struct digest *d)
{
	struct checksum *sum = checksum_new();
	int rc = sum != NULL && checksum_add(sum, u->salt, sizeof u->salt) == 0 &&
			 checksum_add(sum, credentials.at, credentials.len) == 0 && checksum_end(sum, d->bytes) == 0
		     ? 0
		     : -1;
	checksum_free(sum);
	return rc;
}

static bool is_same(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static struct result *set_of(struct users *u, const struct digest *d)
{
	return u->results[(d->bytes[0] << 8 | d->bytes[1]) % SETS];
}

/* Under the lock. */
static enum users_verdict look_up(struct users *u, const struct digest *d, const char **name)
{
	struct result *set = set_of(u, d);
	int64_t now_ms = clock_ms();
	for (size_t i = 0; i < PLACES; i++) {
		if (set[i].until_ms <= now_ms || !is_same(&set[i].digest, d))
			continue;
		*name = set[i].name;
		return *name != NULL ? USERS_RIGHT : USERS_WRONG;
	}
	return USERS_UNKNOWN;
}

/* Under the lock. */
static void remember(struct users *u, const struct digest *d, const char *name)
{
	struct result *set = set_of(u, d), *place = set;
	for (size_t i = 1; i < PLACES; i++)
		if (set[i].until_ms < place->until_ms)
			place = &set[i];
	*place = (struct result){*d, clock_ms() + (name != NULL ? RIGHT_MS : WRONG_MS), name};
}

enum users_verdict users_find(struct users *u, struct span credentials, const char **name)
{
	struct digest d;
	*name = NULL;
	if (credentials.len == 0)
		return USERS_WRONG;
	if (make_digest(u, credentials, &d) != 0)
		return USERS_UNKNOWN;
	pthread_mutex_lock(&u->lock);
	enum users_verdict verdict = look_up(u, &d, name);
	pthread_mutex_unlock(&u->lock);
	return verdict;
}

/* --- credentials --- */

static int base64_value(char c)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(letters, c) : NULL;
	return at != NULL ? (int)(at - letters) : -1;
}

/* RFC 4648 4, with or without the padding. 0, or -1. */
static int decode_base64(struct span text, struct buf *out)
{
	unsigned bits = 0, have = 0;
	while (text.len > 0 && text.at[text.len - 1] == '=')
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.at[i]);
		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned)value;
		have += 6;
		if (have >= 8 && buf_addc(out, (char)(bits >> (have -= 8) & 0xff)) != 0)
			return -1;
	}
	return 0;
}

/* "Basic" and the name and password in base64 (RFC 7617 2). NULL: wrong. */
static const char *check_basic(const struct users *u, struct span credentials)
{
	static const char scheme[] = "Basic ";
	const char *name = NULL;
	struct buf text;
	if (!span_starts_nocase(credentials, scheme))
		return NULL;
	buf_init(&text, BUF_LINE);
	if (decode_base64(span_trim(span_from(credentials, sizeof scheme - 1)), &text) == 0 && text.len > 0) {
		const char *colon = memchr(text.data, ':', text.len);
		size_t n = colon != NULL ? (size_t)(colon - text.data) : 0;
		if (n > 0)
			name = htpasswd_check(u->file, span_make(text.data, n), span_from(buf_span(&text), n + 1));
		explicit_bzero(text.data, text.len);
	}
	buf_fini(&text);
	return name;
}

/* --- checks --- */

static bool is_running(const struct users *u, const struct digest *d)
{
	for (size_t i = 0; i < u->running_count; i++)
		if (is_same(&u->running[i], d))
			return true;
	return false;
}

/* Waits for the end of a check. False: there are too many that wait. Under the lock. */
static bool wait_for_change(struct users *u, uint64_t client)
{
	size_t own = 0;
	for (size_t i = 0; i < u->waiting_count; i++)
		own += u->waiting[i] == client ? 1 : 0;
	if (u->waiting_count == WAITING_MOST || own == WAITING_OF_CLIENT)
		return false;
	u->waiting[u->waiting_count++] = client;
	pthread_cond_wait(&u->changed, &u->lock);
	size_t at = 0;
	while (u->waiting[at] != client)
		at++;
	u->waiting[at] = u->waiting[--u->waiting_count];
	return true;
}

/* Under the lock, which is released while the password is checked. */
static void run_check(struct users *u, struct span credentials, const struct digest *d)
{
	u->running[u->running_count++] = *d;
	pthread_mutex_unlock(&u->lock);
	const char *name = check_basic(u, credentials);
	pthread_mutex_lock(&u->lock);
	remember(u, d, name);
	size_t at = 0;
	while (!is_same(&u->running[at], d))
		at++;
	u->running[at] = u->running[--u->running_count];
	pthread_cond_broadcast(&u->changed);
}

enum users_verdict users_check(struct users *u, struct span credentials, uint64_t client, const char **name)
{
	struct digest d;
	enum users_verdict verdict = users_find(u, credentials, name);
	if (verdict != USERS_UNKNOWN)
		return verdict;
	if (make_digest(u, credentials, &d) != 0)
		return USERS_TOO_MANY;
	pthread_mutex_lock(&u->lock);
	while ((verdict = look_up(u, &d, name)) == USERS_UNKNOWN) {
		if (!is_running(u, &d) && u->running_count < u->running_most) {
			run_check(u, credentials, &d);
		} else if (!wait_for_change(u, client)) {
			verdict = USERS_TOO_MANY;
			break;
		}
	}
	pthread_mutex_unlock(&u->lock);
	return verdict;
}

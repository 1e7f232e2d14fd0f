#include "proxy/htpasswd.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	COST_LEAST = 4,
	COST_MOST = 15, /* of bcrypt: some two seconds */
	ROUNDS_MOST = 1000000,
	PASSWORD_MOST = CRYPT_MAX_PASSPHRASE_SIZE - 1
};

struct user {
	char *name, *hash;
};

struct htpasswd {
	struct user *users;
	size_t count;
};

/* --- the hash --- */

/* The number of the digits at the front of text; -1: there are none, or too many. */
static long leading_number(const char *text)
{
	size_t n = strspn(text, "0123456789");
	return n == 0 || n > 9 ? -1 : strtol(text, NULL, 10);
}

/* NULL, or why a bcrypt hash is refused: "$2y$10$" and 53 characters. */
static const char *judge_bcrypt(const char *hash)
{
	static const char letters[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	long cost = leading_number(hash + 4);
	if (strlen(hash) != 60 || hash[6] != '$' || strspn(hash + 7, letters) != 53 || cost < COST_LEAST)
		return "its bcrypt hash is malformed (make it again: htpasswd -B)";
	if (cost > COST_MOST)
		return "its bcrypt cost is so high that one login would take seconds or hours (make it again with at "
		       "most 15: htpasswd -B -C 12)";
	return NULL;
}

/* NULL, or why a SHA-512 hash is refused: "$6$", perhaps "rounds=N$", a salt, "$" and 86 characters. */
static const char *judge_sha512(const char *hash)
{
	static const char rounds[] = "rounds=";
	const char *salt = hash + 3;
	if (strncmp(salt, rounds, sizeof rounds - 1) == 0) {
		long n = leading_number(salt + sizeof rounds - 1);
		if (n < 0 || n > ROUNDS_MOST)
			return "its SHA-512 hash has too many rounds (make it again with at most 1000000)";
		salt += sizeof rounds - 1 + strspn(salt + sizeof rounds - 1, "0123456789");
		if (*salt++ != '$')
			return "its SHA-512 hash is malformed (make it again: openssl passwd -6)";
	}
	const char *end = strchr(salt, '$');
	return end == NULL || strlen(end + 1) != 86 ? "its SHA-512 hash is malformed (make it again: openssl passwd -6)"
						    : NULL;
}

static const char *judge_hash(const char *hash)
{
	if (strncmp(hash, "$2y$", 4) == 0 || strncmp(hash, "$2b$", 4) == 0 || strncmp(hash, "$2a$", 4) == 0)
		return judge_bcrypt(hash);
	if (strncmp(hash, "$6$", 3) == 0)
		return judge_sha512(hash);
	if (strncmp(hash, "$apr1$", 6) == 0 || strncmp(hash, "$1$", 3) == 0)
		return "its hash is MD5, which is quick to guess (use bcrypt: htpasswd -B)";
	if (strncmp(hash, "{SHA}", 5) == 0)
		return "its hash is SHA-1 without a salt, which is quick to guess (use bcrypt: htpasswd -B)";
	if (hash[0] == '$')
		return "its kind of hash is not known here (use bcrypt: htpasswd -B)";
	return "its password is not hashed, or by the old crypt (use bcrypt: htpasswd -B)";
}

/* --- the file --- */

/* Reads all of a regular file. 0, or -1 with a sentence in why. */
static int read_file(const char *path, struct buf *text, struct buf *why)
{
	struct stat s;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc = -1;
	if (fd < 0 || fstat(fd, &s) != 0) {
		buf_addf(why, "--users %s: %s (give a file that htpasswd -B made)", path, strerror(errno));
	} else if (!S_ISREG(s.st_mode)) {
		buf_addf(why, "--users %s: not a file (give one that htpasswd -B made)", path);
	} else if (s.st_mode & (S_IROTH | S_IWOTH)) {
		buf_addf(why, "--users %s: every user of this machine can %s it (chmod 640 %s)", path,
		    s.st_mode & S_IWOTH ? "change" : "read", path);
	} else {
		char *room;
		ssize_t n = 0;
		while ((room = buf_room(text, 4096)) != NULL && (n = read(fd, room, 4096)) > 0)
			buf_grew(text, (size_t)n);
		rc = room != NULL && n == 0 ? 0 : -1;
		if (rc != 0)
			buf_addf(why, "--users %s: %s", path, room == NULL ? "longer than 1 MiB" : strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int complain(const char *path, size_t number, struct span name, const char *what, struct buf *why)
{
	buf_addf(
	    why, "--users %s: line %zu: %.*s: %s", path, number, (int)(name.len > 64 ? 64 : name.len), name.at, what);
	return -1;
}

static const struct user *find(const struct htpasswd *h, struct span name)
{
	for (size_t i = 0; i < h->count; i++)
		if (span_is(name, h->users[i].name))
			return &h->users[i];
	return NULL;
}

static int add_user(struct htpasswd *h, struct span name, struct span hash)
{
	struct user *users = realloc(h->users, (h->count + 1) * sizeof *users);
	if (users == NULL)
		return -1;
	h->users = users;
	users[h->count] = (struct user){strndup(name.at, name.len), strndup(hash.at, hash.len)};
	if (users[h->count].name == NULL || users[h->count].hash == NULL) {
		free(users[h->count].name);
		free(users[h->count].hash);
		return -1;
	}
	h->count++;
	return 0;
}

static int read_line(struct htpasswd *h, const char *path, size_t number, struct span line, struct buf *why)
{
	const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
	if (span_trim(line).len == 0 || line.at[0] == '#')
		return 0;
	struct span name = span_make(line.at, colon != NULL ? (size_t)(colon - line.at) : 0);
	if (colon == NULL || name.len == 0)
		return complain(
		    path, number, span_of("no name"), "a line must be NAME:HASH (make it: htpasswd -B)", why);
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.at[i] < ' ' || name.at[i] == 127)
			return complain(path, number, span_of("a name"), "it has control characters", why);
	struct span hash = span_from(line, name.len + 1);
	hash.len = strcspn(colon + 1, ":\r\n"); /* some tools add fields after the hash */
	if (find(h, name) != NULL)
		return complain(path, number, name, "the name stands there twice (remove one of the lines)", why);
	if (add_user(h, name, hash) != 0)
		return complain(path, number, name, "out of memory", why);
	const char *fault = judge_hash(h->users[h->count - 1].hash);
	return fault != NULL ? complain(path, number, name, fault, why) : 0;
}

struct htpasswd *htpasswd_read(const char *path, struct buf *why)
{
	struct htpasswd *h = calloc(1, sizeof *h);
	struct buf text;
	size_t number = 0;
	buf_init(&text, BUF_FILE);
	int rc = h != NULL ? read_file(path, &text, why) : -1;
	if (rc == 0 && memchr(buf_str(&text), '\0', text.len) != NULL) {
		buf_addf(why, "--users %s: not a text (give a file that htpasswd -B made)", path);
		rc = -1;
	}
	struct span rest = buf_span(&text), line;
	while (rc == 0 && span_next_line(&rest, &line))
		rc = read_line(h, path, ++number, line, why);
	if (rc == 0 && h->count == 0) {
		buf_addf(why, "--users %s: there is no user in it (add one: htpasswd -B %s NAME)", path, path);
		rc = -1;
	}
	buf_fini(&text);
	if (rc == 0)
		return h;
	htpasswd_free(h);
	return NULL;
}

void htpasswd_free(struct htpasswd *h)
{
	for (size_t i = 0; h != NULL && i < h->count; i++) {
		free(h->users[i].name);
		free(h->users[i].hash);
	}
	if (h != NULL)
		free(h->users);
	free(h);
}

/* --- checking --- */

/* Compares all bytes, wherever the first difference is. The length of a hash is no secret. */
static bool is_same(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char difference = 0;
	if (strlen(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		difference = (unsigned char)(difference | (a[i] ^ b[i]));
	return difference == 0;
}

const char *htpasswd_check(const struct htpasswd *h, struct span user, struct span password)
{
	const struct user *known = find(h, user);
	struct crypt_data *data = calloc(1, sizeof *data);
	char *text = strndup(password.len > 0 ? password.at : "", password.len);
	bool right = false;
	/* crypt() ends at a NUL: what follows it would not count. */
	bool usable = data != NULL && text != NULL && strlen(text) == password.len && password.len <= PASSWORD_MOST;
	if (usable) {
		const char *hash = known != NULL ? known->hash : h->users[0].hash;
		const char *made = crypt_r(text, hash, data);
		right = made != NULL && is_same(made, hash) && known != NULL;
	}
	if (data != NULL)
		explicit_bzero(data, sizeof *data);
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(data);
	free(text);
	return right ? known->name : NULL;
}

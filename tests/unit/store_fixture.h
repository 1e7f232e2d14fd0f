/*
 * store_fixture: a cache directory of its own for each test, a store in it, and the real sqlite3 shell beside it.
 *
 * Nothing here sleeps: what another thread or process does is waited for by EVENTUALLY, with a deadline that only a
 * failure meets.
 */
#ifndef CURLEW_TESTS_STORE_FIXTURE_H
#define CURLEW_TESTS_STORE_FIXTURE_H

#include "base/log.h"
#include "base/stats.h"
#include "store/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_S 60

#define EVENTUALLY(condition)                                                                                          \
	do {                                                                                                           \
		time_t until = time(NULL) + DEADLINE_S;                                                                \
		while (!(condition)) {                                                                                 \
			if (time(NULL) > until)                                                                        \
				fail_msg("never came true: %s", #condition);                                           \
			struct timespec turn = {0, 2000000};                                                           \
			nanosleep(&turn, NULL);                                                                        \
		}                                                                                                      \
	} while (0)

struct house {
	char dir[64];
	struct store *store;
	struct buf why;
	int64_t max_entries; /* from the next opening on */
	double min_free_percent;
};

/* --- the house --- */

static inline struct store *open_store(struct house *h, int64_t size_bytes)
{
	struct store_config config = {.dir = h->dir,
	    .limits.size_bytes = size_bytes,
	    .limits.max_entries = h->max_entries,
	    .limits.min_free_percent = h->min_free_percent,
	    .mode = "shared"};
	buf_clear(&h->why);
	h->store = store_open(&config, &h->why);
	return h->store;
}

static inline void reopen(struct house *h, int64_t size_bytes)
{
	store_close(h->store);
	if (open_store(h, size_bytes) == NULL)
		fail_msg("%s", buf_str(&h->why));
}

static inline int empty_house(void **state)
{
	struct house *h = calloc(1, sizeof *h);
	const char *tmp = getenv("TMPDIR");
	if (h == NULL)
		return -1;
	buf_init(&h->why, BUF_LINE);
	snprintf(h->dir, sizeof h->dir, "%.30s/curlew-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
	*state = h;
	return mkdtemp(h->dir) != NULL ? 0 : -1;
}

static inline int open_house(void **state)
{
	return empty_house(state) == 0 && open_store(*state, 0) != NULL ? 0 : -1;
}

static inline int close_house(void **state)
{
	struct house *h = *state;
	char command[128];
	store_close(h->store);
	snprintf(command, sizeof command, "rm -rf '%s'", h->dir);
	int rc = system(command);
	buf_fini(&h->why);
	free(h);
	return rc;
}

static inline const char *in_house(const struct house *h, const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", h->dir, name);
	return path;
}

static inline bool exists(const struct house *h, const char *name)
{
	struct stat s;
	return lstat(in_house(h, name), &s) == 0;
}

static inline void write_file(const struct house *h, const char *name, const char *text)
{
	FILE *f = fopen(in_house(h, name), "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Files beneath a folder of the house. */
static inline int count_files(const struct house *h, const char *folder)
{
	char command[256];
	int n = -1;
	snprintf(command, sizeof command, "find '%s/%s' -type f | wc -l", h->dir, folder);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

/* --- the shell --- */

/* Runs SQL in the sqlite3 shell: its exit status; what it printed, errors as well, goes to out. */
static inline int shell(const struct house *h, const char *sql, char *out, size_t size)
{
	char path[128];
	int ends[2];
	size_t n = 0;
	ssize_t got;
	assert_int_equal(pipe(ends), 0);
	snprintf(path, sizeof path, "%s/index.db", h->dir);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		execlp("sqlite3", "sqlite3", "-batch", "-init", "/dev/null", "-cmd", ".timeout 20000", path, sql,
		    (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	char rest[256];
	while ((got = read(ends[0], n + 1 < size ? out + n : rest, n + 1 < size ? size - 1 - n : sizeof rest)) > 0)
		if (n + 1 < size)
			n += (size_t)got;
	out[n] = '\0';
	close(ends[0]);
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (n > 0 && out[n - 1] == '\n')
		out[n - 1] = '\0';
	return WEXITSTATUS(status);
}

static inline void sql(const struct house *h, const char *text)
{
	char out[1024];
	if (shell(h, text, out, sizeof out) != 0)
		fail_msg("%s: %s", text, out);
}

static inline int64_t sql_number(const struct house *h, const char *text)
{
	char out[1024];
	if (shell(h, text, out, sizeof out) != 0)
		fail_msg("%s: %s", text, out);
	return strtoll(out, NULL, 10);
}

/* A shell that stays, with a transaction open until told to go. */
struct sitter {
	pid_t pid;
	int in, out;
};

static inline struct sitter sit(const struct house *h, const char *statements)
{
	struct sitter s;
	char path[128], ready[16];
	int in[2], out[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	snprintf(path, sizeof path, "%s/index.db", h->dir);
	s.pid = fork();
	if (s.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execlp(
		    "sqlite3", "sqlite3", "-batch", "-init", "/dev/null", "-cmd", ".timeout 20000", path, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s.in = in[1];
	s.out = out[0];
	dprintf(s.in, "%s\n.print ready\n", statements);
	size_t n = 0;
	memset(ready, 0, sizeof ready);
	while (strstr(ready, "ready") == NULL) {
		if (n == sizeof ready - 1)
			memmove(ready, ready + 1, --n);
		assert_int_equal(read(s.out, ready + n, 1), 1);
		ready[++n] = '\0';
	}
	return s;
}

static inline void rise(struct sitter *s)
{
	dprintf(s->in, "ROLLBACK;\n");
	close(s->in);
	close(s->out);
	waitpid(s->pid, NULL, 0);
}

/* --- storing --- */

/* One thing done on the disk thread, and waited for. */
struct errand {
	struct disk_job job;
	struct store *store;
	const char *text;
	size_t n;
	bool whole, seal;
	struct body *body;
	pthread_mutex_t mutex;
	pthread_cond_t over;
	bool is_over;
};

static inline void run_errand(struct disk_job *job)
{
	struct errand *e = (struct errand *)job;
	e->body = body_begin(e->store, e->whole);
	if (e->body != NULL && (body_write(e->body, e->text, e->n) != 0 || (e->seal && body_seal(e->body) != 0))) {
		body_free(e->body);
		e->body = NULL;
	}
	pthread_mutex_lock(&e->mutex);
	e->is_over = true;
	pthread_cond_signal(&e->over);
	pthread_mutex_unlock(&e->mutex);
}

static inline struct body *make_body(struct store *s, const char *text, size_t n, bool whole, bool seal)
{
	struct errand e = {.job = {.run = run_errand},
	    .store = s,
	    .text = text,
	    .n = n,
	    .whole = whole,
	    .seal = seal,
	    .mutex = PTHREAD_MUTEX_INITIALIZER,
	    .over = PTHREAD_COND_INITIALIZER};
	store_on_disk(s, &e.job);
	pthread_mutex_lock(&e.mutex);
	while (!e.is_over)
		pthread_cond_wait(&e.over, &e.mutex);
	pthread_mutex_unlock(&e.mutex);
	return e.body;
}

static inline struct entry *make_entry(const char *url, const char *vary)
{
	struct entry *e = entry_new();
	assert_non_null(e);
	free(e->vary);
	e->url = strdup(url);
	e->vary = strdup(vary);
	e->status = 200;
	e->fetched_at = 1000;
	e->fresh_until = 2000;
	e->stale_until = 3000;
	e->reason = strdup("max-age=1000, RFC 9111 4.2.1");
	return e;
}

struct waited_put {
	struct store_put put;
	enum store_put_outcome outcome;
	bool is_done;
};

static inline void put_is_done(struct store_put *put, enum store_put_outcome outcome)
{
	struct waited_put *w = (struct waited_put *)put;
	w->outcome = outcome;
	w->is_done = true;
}

/* Puts the entry, which stays the caller's, with that body (NULL: none), and waits. */
static inline enum store_put_outcome put_entry(
    struct store *s, struct entry *e, const char *body, const struct entry *replaces)
{
	struct waited_put w = {.put = {.entry = e, .replaces = replaces, .done = put_is_done}};
	if (body != NULL) {
		w.put.body = make_body(s, body, strlen(body), strlen(body) % 2 == 0, true);
		assert_non_null(w.put.body);
	}
	store_put(s, &w.put);
	store_flush(s);
	assert_true(w.is_done);
	body_free(w.put.body);
	return w.outcome;
}

/* The id of a new row. */
static inline int64_t put(struct store *s, const char *url, const char *body)
{
	struct entry *e = make_entry(url, "");
	assert_int_equal(put_entry(s, e, body, NULL), STORE_PUT_DONE);
	int64_t id = e->id;
	entry_free(e);
	return id;
}

/* The one row of a URL, now the caller's; NULL when there is none. */
static inline struct entry *find(struct store *s, const char *url)
{
	struct index_rows rows;
	enum index_result found = store_find(s, url, &rows);
	assert_int_not_equal(found, INDEX_BROKEN);
	if (found == INDEX_ABSENT)
		return NULL;
	assert_int_equal(rows.count, 1);
	struct entry *e = rows.entries[0];
	rows.count = 0;
	index_rows_free(&rows);
	return e;
}

static inline bool is_stored(struct store *s, const char *url)
{
	struct entry *e = find(s, url);
	entry_free(e);
	return e != NULL;
}

/* The body a row has, read through the store. */
static inline bool body_is(struct store *s, const struct entry *e, const char *text)
{
	char got[256 << 10];
	int fd = store_open_body(s, e);
	if (fd < 0)
		return false;
	ssize_t n = pread(fd, got, sizeof got, 0);
	close(fd);
	return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

/* entries and bytes of the counter are what the tables say. */
static inline void assert_counted(const struct house *h)
{
	assert_int_equal(
	    sql_number(h,
		"SELECT entries = (SELECT count(*) FROM entry) AND bytes = (SELECT coalesce(sum(body_bytes), 0) FROM "
		"(SELECT body_bytes FROM entry UNION ALL SELECT body_bytes FROM part)) AND "
		"new_bytes = (SELECT coalesce(sum(body_bytes), 0) FROM entry WHERE queue = 'new') AND "
		"part_bytes = (SELECT coalesce(sum(body_bytes), 0) FROM part) AND ghosts = (SELECT count(*) FROM "
		"ghost) "
		"FROM counter"),
	    1);
}

#endif

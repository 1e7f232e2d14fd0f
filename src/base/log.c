/*
 * Each diagnostic is one write(2) to stderr, so lines of several threads never mix. Access lines are appended to
 * `filling` under a lock that is held for a memcpy. The log thread swaps `filling` with its own buffer and writes that
 * one, so only this thread waits for a slow disk.
 *
 * The only lock is `access_lock`. It is never held during a write.
 */
#include "base/log.h"
#include "base/buf.h"
#include "base/output.h"
#include "base/printable.h"
#include "base/stats.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- diagnostics --- */

/* Text from an origin or a path must not begin a new line or move the cursor: bytes that are not printable are written
 * as \xHH. */
static void add_printable(struct buf *out, struct span s)
{
	while (s.len > 0) {
		size_t n = printable_bytes(s);
		if (n > 0)
			buf_add(out, s.at, n);
		else
			buf_addf(out, "\\x%02X", (unsigned char)s.at[0]);
		s = span_from(s, n > 0 ? n : 1);
	}
}

static void write_line(const char *format, va_list ap, unsigned silent)
{
	char line[2048];
	int at = snprintf(line, sizeof line, "curlew: ");
	int n = vsnprintf(line + at, sizeof line - (size_t)at - 64, format, ap);
	if (n < 0)
		return;
	at += n < (int)sizeof line - at - 64 ? n : (int)sizeof line - at - 65;
	if (silent > 0)
		at += snprintf(line + at, sizeof line - (size_t)at, " [and %u times more]", silent);
	struct buf safe;
	buf_init(&safe, BUF_LINE);
	add_printable(&safe, span_make(line, (size_t)at));
	buf_addc(&safe, '\n');
	output_write(STDERR_FILENO, buf_str(&safe), safe.len); /* an error here cannot be reported */
	buf_fini(&safe);
}

void log_say(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	write_line(format, ap, 0);
	va_end(ap);
}

static bool details; /* fixed before other threads start */

void log_show_details(void)
{
	details = true;
}

bool log_details_wanted(void)
{
	return details;
}

void log_detail(const char *format, ...)
{
	if (!details)
		return;
	va_list ap;
	va_start(ap, format);
	write_line(format, ap, 0);
	va_end(ap);
}

enum { TOPICS = 32, TOPIC_SILENCE_S = 10 };

static pthread_mutex_t topic_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	const char *name;
	time_t spoke_at;
	unsigned silent;
} topics[TOPICS];

void log_trouble(const char *topic, const char *format, ...)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	unsigned silent = 0;
	bool speak = true;
	pthread_mutex_lock(&topic_lock);
	for (size_t i = 0; i < TOPICS; i++) {
		if (topics[i].name == NULL) {
			topics[i].name = topic;
			topics[i].spoke_at = now.tv_sec;
			break;
		}
		if (strcmp(topics[i].name, topic) == 0) {
			speak = now.tv_sec - topics[i].spoke_at >= TOPIC_SILENCE_S;
			if (speak) {
				silent = topics[i].silent;
				topics[i].silent = 0;
				topics[i].spoke_at = now.tv_sec;
			} else {
				topics[i].silent++;
			}
			break;
		}
	}
	pthread_mutex_unlock(&topic_lock);
	if (!speak)
		return;
	va_list ap;
	va_start(ap, format);
	write_line(format, ap, silent);
	va_end(ap);
}

/* --- the access log --- */

enum { ROOM_MS = 100 };

static pthread_mutex_t access_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t access_wake = PTHREAD_COND_INITIALIZER;
static struct buf filling = {.ceiling = BUF_LOG};
static atomic_bool wanted;
static bool closing;
static bool asleep;
static struct access_file {
	int fd; /* -1: none */
	bool is_regular;
	char *path;
} current = {.fd = -1}, next = {.fd = -1}; /* `current` is the log thread's, `next` waits to take its place */
static bool running;
static pthread_t access_thread;

/* A FIFO is opened even when nobody reads it. It then holds as many bytes as fit, for a later reader. 0, or -1 with
 * errno. */
static int open_log(const char *path, struct access_file *file)
{
	struct stat s;
	int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO) : open(path, O_WRONLY | flags, 0644);
	if (fd < 0 && errno == ENXIO)
		fd = open(path, O_RDWR | flags, 0644);
	file->fd = fd;
	file->is_regular = fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
	file->path = fd >= 0 ? strdup(path) : NULL;
	return fd >= 0 && file->path != NULL ? 0 : -1;
}

static void close_log(struct access_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	*file = (struct access_file){.fd = -1};
}

/* Waits until the log can take bytes. False: it cannot, and it should be closed or opened again, which must not wait
 * for the reader of a pipe. */
static bool wait_for_room(void)
{
	struct pollfd room = {.fd = current.fd, .events = POLLOUT};
	while (poll(&room, 1, ROOM_MS) <= 0) {
		pthread_mutex_lock(&access_lock);
		bool give_up = closing || next.fd >= 0;
		pthread_mutex_unlock(&access_lock);
		if (give_up)
			return false;
	}
	return true;
}

static void drop_lines(const char *from, size_t n)
{
	const char *end = from + n;
	for (; (from = memchr(from, '\n', (size_t)(end - from))) != NULL; from++)
		stats_add(STATS_LOG_DROPPED, 1);
}

static void write_out(struct buf *b)
{
	size_t done = 0;
	while (done < b->len) {
		size_t piece = b->len - done;
		if (!current.is_regular && piece > PIPE_BUF)
			piece = PIPE_BUF; /* a pipe that has space takes these without waiting */
		if (!wait_for_room()) {
			drop_lines(b->data + done, b->len - done);
			break;
		}
		ssize_t n = write(current.fd, b->data + done, piece);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) {
			log_trouble("access log", "access log %s: %s (free the disk or choose another --access-log)",
			    current.path, strerror(errno));
			drop_lines(b->data + done, b->len - done);
			break;
		}
		done += (size_t)n;
	}
	buf_clear(b);
}

static void *access_main(void *unused)
{
	(void)unused;
	struct buf writing;
	buf_init(&writing, BUF_LOG);
	pthread_mutex_lock(&access_lock);
	for (;;) {
		while (filling.len == 0 && !closing && next.fd < 0) {
			asleep = true;
			pthread_cond_wait(&access_wake, &access_lock);
			asleep = false;
		}
		bool end = closing;
		struct access_file from_now = next;
		next = (struct access_file){.fd = -1};
		struct buf swap = writing;
		writing = filling;
		filling = swap;
		pthread_mutex_unlock(&access_lock);
		if (writing.len > 0)
			write_out(&writing);
		if (from_now.fd >= 0) {
			close_log(&current);
			current = from_now;
		}
		pthread_mutex_lock(&access_lock);
		if (end && filling.len == 0)
			break;
	}
	pthread_mutex_unlock(&access_lock);
	buf_fini(&writing);
	return NULL;
}

int log_access_open(const char *where)
{
	bool off = strcmp(where, "off") == 0;
	struct access_file file;
	if (off && !running)
		return 0;
	if (open_log(off ? "/dev/null" : where, &file) != 0) {
		int saved = errno;
		close_log(&file);
		errno = saved;
		return -1;
	}
	if (running) {
		pthread_mutex_lock(&access_lock);
		close_log(&next);
		next = file;
		pthread_cond_signal(&access_wake);
		pthread_mutex_unlock(&access_lock);
	} else {
		current = file;
		closing = false;
		if ((errno = thread_start(&access_thread, "log", access_main, NULL)) != 0) {
			close_log(&current);
			return -1;
		}
		running = true;
	}
	atomic_store(&wanted, !off);
	return 0;
}

bool log_access_wanted(void)
{
	return atomic_load_explicit(&wanted, memory_order_relaxed);
}

void log_access_close(void)
{
	atomic_store(&wanted, false);
	if (!running)
		return;
	pthread_mutex_lock(&access_lock);
	closing = true;
	pthread_cond_signal(&access_wake);
	pthread_mutex_unlock(&access_lock);
	pthread_join(access_thread, NULL);
	running = false;
	close_log(&current);
	close_log(&next);
	buf_fini(&filling);
}

/* The date of combined format, in brackets. Each thread makes it once a second. */
static const char *log_date(int64_t now)
{
	static _Thread_local int64_t made_for = INT64_MIN;
	static _Thread_local char text[40];
	if (now != made_for) {
		time_t t = (time_t)now;
		struct tm tm;
		gmtime_r(&t, &tm);
		strftime(text, sizeof text, "%d/%b/%Y:%H:%M:%S +0000", &tm);
		made_for = now;
	}
	return text;
}

/* A client could forge lines with quotes, backslashes and control bytes. These, and all bytes beyond ASCII, are written
 * as \xHH. */
static void add_safe(struct buf *b, struct span s)
{
	size_t from = 0;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c >= ' ' && c != '"' && c != '\\' && c < 127)
			continue;
		buf_add(b, s.at + from, i - from);
		buf_addf(b, "\\x%02X", c);
		from = i + 1;
	}
	if (s.len > from)
		buf_add(b, s.at + from, s.len - from);
}

/* A name may have blanks, which separate the places of a line. */
static void add_user(struct buf *b, struct span s)
{
	const char *blank;
	for (; s.len > 0 && (blank = memchr(s.at, ' ', s.len)) != NULL; s = span_from(s, (size_t)(blank - s.at) + 1)) {
		add_safe(b, span_make(s.at, (size_t)(blank - s.at)));
		buf_adds(b, "\\x20");
	}
	add_safe(b, s);
}

void log_access(const struct log_access *a, int64_t now)
{
	if (!log_access_wanted())
		return;
	static const struct span dash = {"-", 1};
	char number[96];
	pthread_mutex_lock(&access_lock);
	size_t before = filling.len;
	buf_addspan(&filling, a->client.len > 0 ? a->client : dash);
	buf_adds(&filling, " - ");
	add_user(&filling, a->user.len > 0 ? a->user : dash);
	buf_adds(&filling, " [");
	buf_adds(&filling, log_date(now));
	buf_adds(&filling, "] \"");
	add_safe(&filling, a->request_line);
	snprintf(number, sizeof number, "\" %d %" PRId64 " \"", a->status, a->body_bytes);
	buf_adds(&filling, number);
	add_safe(&filling, a->referer.len > 0 ? a->referer : dash);
	buf_adds(&filling, "\" \"");
	add_safe(&filling, a->user_agent.len > 0 ? a->user_agent : dash);
	buf_adds(&filling, "\" ");
	buf_addspan(&filling, a->verdict.len > 0 ? a->verdict : dash);
	snprintf(number, sizeof number, " %" PRId64 ".%06" PRId64 "\n", a->took_us / 1000000, a->took_us % 1000000);
	buf_adds(&filling, number);
	if (filling.failed) {
		filling.failed = false;
		filling.len = before;
		stats_add(STATS_LOG_DROPPED, 1);
	}
	if (asleep)
		pthread_cond_signal(&access_wake);
	pthread_mutex_unlock(&access_lock);
}

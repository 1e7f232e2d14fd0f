/*
 * store_bench DIR [ROWS]: what the store costs, one line a figure. Fills the cache in DIR with ROWS entries (default
 * 100,000), or uses what is there. Not part of the tests: figures depend on the machine.
 */
#include "base/stats.h"
#include "store/store.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT 4096

static struct store *store;
static sem_t room;

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(const char *what, double value, const char *unit)
{
	printf("%-58s %10.2f %s\n", what, value, unit);
	fflush(stdout);
}

static long resident_kib(void)
{
	long pages = 0, skipped;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f == NULL || fscanf(f, "%ld %ld", &skipped, &pages) != 2)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void url_of(char *url, size_t size, long i)
{
	snprintf(url, size, "http://host%ld.example.com/some/path/of/usual/length/object-%ld.html", i % 100, i);
}

static struct entry *make(long i)
{
	char url[128];
	struct entry *e = entry_new();
	if (e == NULL)
		exit(1);
	url_of(url, sizeof url, i);
	e->url = strdup(url);
	free(e->headers);
	e->headers = strdup(
	    "Content-Type: text/html; charset=utf-8\nDate: Mon, 23 Nov 2026 12:00:00 GMT\nServer: nginx\n"
	    "Last-Modified: Mon, 23 Nov 2026 11:00:00 GMT\nETag: \"5f3c-1a2b3c4d5e6f\"\nCache-Control: max-age=3600\n"
	    "Accept-Ranges: bytes\nContent-Length: 1024\n");
	e->etag = strdup("\"5f3c-1a2b3c4d5e6f\"");
	e->last_modified = strdup("Mon, 23 Nov 2026 11:00:00 GMT");
	e->reason = strdup("max-age=3600, RFC 9111 4.2.1");
	e->status = 200;
	e->fetched_at = time(NULL);
	e->fresh_until = e->fetched_at + 3600;
	e->total_ms = 3.5;
	return e;
}

static void put_over(struct store_put *put, enum store_put_outcome outcome)
{
	if (outcome != STORE_PUT_DONE)
		fprintf(stderr, "not stored: %d\n", (int)outcome);
	body_free(put->body);
	entry_free(put->entry);
	free(put);
	sem_post(&room);
}

static enum store_written write_body(struct store_put *put)
{
	char bytes[1024];
	if (!store_have_name(store))
		return STORE_WRITE_LATER;
	memset(bytes, 'x', sizeof bytes);
	put->body = body_begin(store, true);
	if (put->body == NULL || body_write(put->body, bytes, sizeof bytes) != 0 || body_seal(put->body) != 0)
		return STORE_WRITE_FAILED;
	body_close(put->body);
	return STORE_WRITTEN;
}

static void put_one(long i, bool bodies)
{
	struct store_put *put = calloc(1, sizeof *put);
	if (put == NULL)
		exit(1);
	put->entry = make(i);
	put->write = bodies ? write_body : NULL;
	put->done = put_over;
	sem_wait(&room);
	store_put(store, put);
}

static void put_many(long from, long count, bool bodies)
{
	for (long i = from; i < from + count; i++)
		put_one(i, bodies);
	store_flush(store);
	for (int i = 0; i < IN_FLIGHT; i++)
		sem_wait(&room);
	for (int i = 0; i < IN_FLIGHT; i++)
		sem_post(&room);
}

static void find_many(const char *what, long rows, long times, long stride)
{
	char url[128];
	struct index_rows found;
	double began = now_s();
	for (long i = 0; i < times; i++) {
		url_of(url, sizeof url, i * stride % rows);
		if (store_find(store, url, &found) != INDEX_FOUND)
			fprintf(stderr, "%s: not found\n", url);
		index_rows_free(&found);
	}
	say(what, (now_s() - began) / (double)times * 1e6, "us");
}

static void watch(long times)
{
	struct change_counter *w = change_counter_new(store);
	double began = now_s();
	for (long i = 0; i < times; i++)
		change_counter_edits(w);
	say("store_watch_edits, nothing changed", (now_s() - began) / (double)times * 1e6, "us");

	char url[128];
	struct index_rows found;
	url_of(url, sizeof url, 7);
	if (store_find(store, url, &found) == INDEX_FOUND) {
		began = now_s();
		for (long i = 0; i < times; i++)
			if (change_counter_confirm(w, found.entries[0]) != INDEX_FOUND)
				fprintf(stderr, "not confirmed\n");
		say("store_watch_confirm", (now_s() - began) / (double)times * 1e6, "us");
	}
	index_rows_free(&found);
	change_counter_free(w);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: store_bench DIR [ROWS]\n");
		return 2;
	}
	long rows = argc > 2 ? atol(argv[2]) : 100000;
	struct buf why;
	buf_init(&why, BUF_LINE);
	sem_init(&room, 0, IN_FLIGHT);
	double began = now_s();
	store = store_open(&(struct store_config){.dir = argv[1], .mode = "shared"}, &why);
	if (store == NULL) {
		fprintf(stderr, "%s\n", buf_str(&why));
		return 1;
	}
	say("store_open", (now_s() - began) * 1e3, "ms");

	char url[128];
	struct index_rows found;
	url_of(url, sizeof url, rows - 1);
	if (store_find(store, url, &found) != INDEX_FOUND) {
		began = now_s();
		put_many(0, rows, false);
		say("store_put of a new row, amortised, gaps included", (now_s() - began) / (double)rows * 1e6, "us");
	}
	index_rows_free(&found);
	say("resident", (double)resident_kib() / 1024, "MiB");

	find_many("store_find, one URL", 1, 200000, 1);
	find_many("store_find, 1,000 URLs", 1000, 200000, 7);
	find_many("store_find, all URLs", rows, 200000, 7919);
	watch(300000);
	say("resident", (double)resident_kib() / 1024, "MiB");

	began = now_s();
	put_many(rows, 20000, true);
	say("1 KiB body and row, amortised", (now_s() - began) / 20000 * 1e6, "us");
	say("resident", (double)resident_kib() / 1024, "MiB");

	began = now_s();
	store_close(store);
	say("store_close", (now_s() - began) * 1e3, "ms");
	buf_fini(&why);
	return 0;
}

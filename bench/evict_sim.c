/*
 * How good is the order of eviction? Plays a trace, "object size" a line, through the product's own index: what is not
 *there is put, what is there is counted as used, and index_evict() keeps the size. Prints the share of requests and of
 *bytes that were hits.
 *
 *	build/bench/evict_sim TRACE PERCENT...     the cache's size in percent of the bytes of all objects, e.g. 1 10
 *
 * No warm-up; an object larger than the cache is a miss and is not stored. The product counts hits in batches of half a
 *second; here each counts at once.
 */
#include "index/connection.h"
#include "index/db_file.h"
#include "index/entry_write.h"
#include "index/evict.h"
#include "index/setup.h"
#include "index/transaction.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 500 };

struct request {
	int64_t object, bytes;
};

struct trace {
	struct request *requests;
	size_t count;
	int64_t footprint; /* bytes of all objects */
};

static int read_trace(const char *path, struct trace *t)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	if (f == NULL) {
		fprintf(stderr, "evict_sim: %s: %s\n", path, strerror(errno));
		return -1;
	}
	struct request r;
	size_t room = 0;
	int64_t highest = 0;
	while (fscanf(f, "%" SCNd64 " %" SCNd64, &r.object, &r.bytes) == 2) {
		if (t->count == room) {
			room = room == 0 ? 4096 : 2 * room;
			t->requests = realloc(t->requests, room * sizeof *t->requests);
			if (t->requests == NULL)
				return -1;
		}
		t->requests[t->count++] = r;
		highest = r.object > highest ? r.object : highest;
	}
	if (f != stdin)
		fclose(f);
	bool *seen = calloc((size_t)highest + 1, sizeof *seen);
	for (size_t i = 0; seen != NULL && i < t->count; i++) {
		if (!seen[t->requests[i].object])
			t->footprint += t->requests[i].bytes;
		seen[t->requests[i].object] = true;
	}
	free(seen);
	return t->count > 0 ? 0 : -1;
}

static int put(struct index *ix, const char *url, int64_t bytes, int64_t now)
{
	char file[32];
	snprintf(file, sizeof file, "body/00/%012" PRIx64, (uint64_t)now);
	struct entry e = {.url = (char *)url,
	    .vary = (char *)"",
	    .headers = (char *)"",
	    .status = 200,
	    .body_file = file,
	    .body_bytes = bytes,
	    .fetched_at = now,
	    .fresh_until = now,
	    .dns_ms = -1,
	    .connect_ms = -1,
	    .ttfb_ms = -1,
	    .total_ms = -1};
	return index_put(ix, &e) == INDEX_STORED ? 0 : -1;
}

/* The id of the row of that URL; 0: none. */
static int64_t find(struct index *ix, const char *url)
{
	index_bind_text(ix->statements[HAS_KEY], 1, url);
	index_bind_text(ix->statements[HAS_KEY], 2, "");
	int64_t id =
	    index_step(ix, HAS_KEY, "simulating") == INDEX_FOUND ? sqlite3_column_int64(ix->statements[HAS_KEY], 0) : 0;
	index_reset(ix, HAS_KEY);
	return id;
}

static int play(struct index *ix, const struct trace *t, int64_t size, const char *name, double percent)
{
	int64_t hits = 0, hit_bytes = 0, bytes = 0;
	bool over;
	for (size_t i = 0; i < t->count; i++) {
		const struct request *r = &t->requests[i];
		char url[64];
		snprintf(url, sizeof url, "http://sim.example/%" PRId64, r->object);
		if (i % BATCH == 0 && index_begin(ix, "simulating") != INDEX_BEGUN)
			return -1;
		int64_t id = find(ix, url);
		bytes += r->bytes;
		if (id != 0) {
			hits++;
			hit_bytes += r->bytes;
			index_used(ix, id, 1, (int64_t)i + 1);
		} else if (r->bytes <= size &&
			   (index_evict(ix, size > r->bytes ? size - r->bytes : 1, 0, 1000, &over) < 0 ||
			       put(ix, url, r->bytes, (int64_t)i + 1) < 0)) {
			return -1;
		}
		if (i % BATCH == BATCH - 1 || i + 1 == t->count) {
			sqlite3_exec(ix->db, "DELETE FROM trash", NULL, NULL, NULL);
			if (index_commit(ix) < 0)
				return -1;
		}
	}
	printf("%s\t%g %%\t%.4f\t%.4f\n", name, percent, (double)hits / (double)t->count,
	    (double)hit_bytes / (double)bytes);
	return 0;
}

static void remove_index(const char *dir)
{
	static const char *const names[] = {"index.db", "index.db-wal", "index.db-shm"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = index_path(dir, names[i]);
		if (path != NULL)
			unlink(path);
		free(path);
	}
	rmdir(dir);
}

static int simulate(const struct trace *t, double percent, const char *name)
{
	char dir[] = "/dev/shm/curlew-evict-XXXXXX";
	struct buf why;
	buf_init(&why, BUF_LINE);
	int rc = -1;
	struct index *ix = NULL;
	if (mkdtemp(dir) != NULL && index_setup(dir, "shared", true, &why) == 0 &&
	    (ix = index_open(dir, INDEX_WRITER, &why)) != NULL) {
		sqlite3_exec(ix->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
		rc = play(ix, t, (int64_t)((double)t->footprint * percent / 100), name, percent);
	}
	if (rc != 0)
		fprintf(stderr, "evict_sim: %s\n", buf_str(&why));
	index_close(ix);
	remove_index(dir);
	buf_fini(&why);
	return rc;
}

int main(int argc, char **argv)
{
	struct trace t = {0};
	if (argc < 3) {
		fprintf(stderr, "Usage: evict_sim TRACE PERCENT...   (a trace is \"object size\" a line; - reads it "
				"from standard input)\n");
		return 2;
	}
	int rc = read_trace(argv[1], &t);
	for (int i = 2; rc == 0 && i < argc; i++)
		rc = simulate(&t, strtod(argv[i], NULL), argv[1]);
	free(t.requests);
	return rc == 0 ? 0 : 1;
}

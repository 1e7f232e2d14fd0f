/* Everything that `curlew explain` needs, read at one time on a connection of its own. */
#include "store/inspect.h"

#include "body/file_lock.h"
#include "index/body_name.h"
#include "index/entry_read.h"
#include "index/index.h"
#include "index/part_read.h"
#include "index/query.h"
#include "index/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int keep_text(void *ctx, const struct index_column *c, size_t count)
{
	char **text = ctx;
	free(*text);
	*text = count > 0 && c[0].text != NULL ? strdup(c[0].text) : NULL;
	return 0;
}

static char *query_text(const char *dir, const char *sql, const char *param, struct buf *why)
{
	char *text = NULL;
	index_query(dir, sql, &param, param != NULL ? 1 : 0, keep_text, &text, why);
	return text;
}

struct living {
	struct inspect *g;
	struct file_lock *lock;
};

static int keep_living(void *ctx, const struct index_column *c, size_t count)
{
	struct living *l = ctx;
	if (count < 2 || c[0].text == NULL || c[1].text == NULL ||
	    !file_lock_alive(l->lock, strtoll(c[0].text, NULL, 10)))
		return 0;
	if (l->g->servers++ == 0)
		l->g->server = strdup(c[1].text);
	return 0;
}

/* The settings that a server recorded count only while it lives. */
static void read_servers(const char *dir, struct inspect *g, struct buf *why)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct living l = {g, dir_fd >= 0 ? file_lock_open_to_read(dir_fd) : NULL};
	if (l.lock != NULL)
		index_query(dir, "SELECT substr(name, 8), value FROM setting WHERE name GLOB 'server *' ORDER BY name",
		    NULL, 0, keep_living, &l, why);
	file_lock_close(l.lock);
	if (dir_fd >= 0)
		close(dir_fd);
}

int inspect_open(struct inspect *g, const char *dir, struct buf *why)
{
	*g = (struct inspect){.dir = dir};
	g->mode = query_text(dir, "SELECT value FROM setting WHERE name = 'mode'", NULL, why);
	if (g->mode == NULL)
		return -1;
	read_servers(dir, g, why);
	g->ix = index_open(dir, INDEX_GUEST, why);
	g->rules = g->ix != NULL ? index_rules(g->ix) : NULL;
	return g->rules != NULL ? 0 : -1;
}

enum index_result inspect_rows(struct inspect *g, const char *url, struct index_rows *rows)
{
	return index_find(g->ix, url, rows);
}

enum index_result inspect_parts(struct inspect *g, const char *url, bool (*wanted)(const void *ctx, const char *vary),
    const void *ctx, struct index_parts *parts)
{
	return index_find_parts(g->ix, url, wanted, ctx, parts);
}

bool inspect_body(const struct inspect *g, const char *name, int64_t bytes)
{
	struct stat s;
	if (name == NULL)
		return true;
	char *path = NULL;
	bool there = body_number(name) >= 0 && asprintf(&path, "%s/%s", g->dir, name) > 0 && lstat(path, &s) == 0 &&
		     S_ISREG(s.st_mode) && s.st_size == bytes;
	free(path);
	return there;
}

char *inspect_refusal(struct inspect *g, const char *url, struct buf *why)
{
	return query_text(g->dir,
	    "SELECT reason || ' (status ' || status || ', ' || datetime(at, 'unixepoch', 'localtime') || "
	    "iif(times > 1, ', ' || times || ' times', '') || ')' FROM refusal WHERE url = ?1",
	    url, why);
}

void inspect_close(struct inspect *g)
{
	rules_free(g->rules);
	index_close(g->ix);
	free(g->mode);
	free(g->server);
}

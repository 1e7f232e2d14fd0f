/* backup and restore: the same copy, in opposite directions. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "store/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void show_progress(void *ctx, int64_t bodies)
{
	(void)ctx;
	if (bodies % 100 == 0)
		fprintf(stderr, "\r%" PRId64 " bodies ", bodies);
}

static int copy(const char *verb, const char *from, const char *to)
{
	struct backup b = {.progress = isatty(STDERR_FILENO) ? show_progress : NULL};
	struct buf why;
	buf_init(&why, BUF_LINE);
	int rc = backup_cache(&b, from, to, &why);
	if (b.progress != NULL)
		fputs("\r\033[K", stderr);
	if (rc != 0)
		log_say("%s: %s", verb, buf_str(&why));
	else if (isatty(STDOUT_FILENO))
		printf("%" PRId64 " bodies, of which %" PRId64 " are shared with %s, in %s\n", b.linked + b.copied,
		    b.linked, from, to);
	else
		printf("bodies\t%" PRId64 "\nshared\t%" PRId64 "\nmissing\t%" PRId64 "\n", b.linked + b.copied,
		    b.linked, b.missing);
	buf_fini(&why);
	return rc == 0 ? VERB_DONE : VERB_ERROR;
}

static int run(enum conf_verb verb, const char *name, int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(verb, argc, argv, &status);
	if (conf == NULL)
		return status;
	const char *cache = conf_cache_dir(conf), *other = conf_operand(conf, 0);
	status = VERB_USAGE;
	if (conf_operands(conf) != 1)
		log_say("%s: one DIR is needed (see `curlew %s --help`)", name, name);
	else
		status = verb == CONF_BACKUP ? copy(name, cache, other) : copy(name, other, cache);
	conf_free(conf);
	return status;
}

int verb_backup(int argc, char **argv)
{
	return run(CONF_BACKUP, "backup", argc, argv);
}

int verb_restore(int argc, char **argv)
{
	return run(CONF_RESTORE, "restore", argc, argv);
}

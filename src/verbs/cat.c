/* curlew cat URL: the stored body, unchanged. -H selects the variant, as the fields of a request would. */
#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/output.h"
#include "http/key.h"
#include "proxy/selection.h"
#include "store/inspect.h"
#include "verbs/url_argument.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy_out(int fd)
{
	char buffer[64 << 10];
	ssize_t n;
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		if (output_write(STDOUT_FILENO, buffer, (size_t)n) != 0)
			return -1;
	return n == 0 ? 0 : -1;
}

static int print_body(const char *dir, const struct entry *e)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd =
	    dir_fd >= 0 && e->body_file != NULL ? openat(dir_fd, e->body_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	int status = VERB_ERROR;
	struct stat s;
	if (e->body_file == NULL)
		status = VERB_DONE;
	else if (fd < 0 || fstat(fd, &s) != 0)
		log_say("cat: %s: %s/%s: %s (run `curlew verify`)", e->url, dir, e->body_file, strerror(errno));
	else if (s.st_size != e->body_bytes)
		log_say("cat: %s: %s/%s: its size differs from its row (`curlew verify --repair` removes it)", e->url,
		    dir, e->body_file);
	else if (copy_out(fd) != 0)
		log_say("cat: %s: %s", e->url, strerror(errno));
	else
		status = VERB_DONE;
	if (fd >= 0)
		close(fd);
	if (dir_fd >= 0)
		close(dir_fd);
	return status;
}

int verb_cat(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_CAT, argc, argv, &status);
	if (conf == NULL)
		return status;
	struct url_argument argument;
	status = url_argument_begin(&argument, conf, "cat");
	if (status == VERB_DONE)
		status = url_argument_url(&argument, conf, "cat");
	if (status == VERB_DONE)
		url_argument_choose(&argument);
	if (status == VERB_DONE && argument.lookup.entry != NULL) {
		status = print_body(conf_cache_dir(conf), argument.lookup.entry);
	} else if (status == VERB_DONE) {
		log_say("cat: %s: %s", argument.key,
		    argument.lookup.rows.count > 0 ? "no stored variant matches such a request (give other -H fields)"
						   : "not stored");
		status = VERB_NOTHING;
	}
	url_argument_end(&argument);
	conf_free(conf);
	return status;
}

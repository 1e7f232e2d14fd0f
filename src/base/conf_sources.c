#include "base/conf_sources.h"

#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VARIABLE = 64 }; /* bytes of the name of a CURLEW_ variable */

/* Settings are the options that may also stand in the environment and in the configuration file. */
static bool is_setting(size_t i)
{
	return (conf_table[i].verbs & CONF_CONFIG) != 0 && strcmp(conf_table[i].name, "config") != 0 &&
	       strcmp(conf_table[i].name, "json") != 0 && strcmp(conf_table[i].name, "check") != 0;
}

static void make_variable(const char *setting, char *name, size_t size)
{
	size_t n = (size_t)snprintf(name, size, "CURLEW_");
	for (const char *p = setting; *p != '\0' && n < size - 1; p++)
		name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	name[n] = '\0';
}

/* An unknown name with our prefix is probably misspelt. It is not an error: a container platform sets CURLEW_PORT and
 * the like for a service called curlew. */
static void report_unknown_variables(void)
{
	for (char **variable = environ; *variable != NULL; variable++) {
		size_t n = strcspn(*variable, "=");
		bool known =
		    strncmp(*variable, "CURLEW_", 7) != 0 || (n == 13 && strncmp(*variable, "CURLEW_CONFIG", n) == 0);
		for (size_t i = 0; i < conf_table_rows && !known; i++) {
			char name[VARIABLE];
			make_variable(conf_table[i].name, name, sizeof name);
			known = is_setting(i) && strlen(name) == n && strncmp(*variable, name, n) == 0;
		}
		if (!known)
			log_say("%.*s: no such setting, ignored (`curlew config` lists them)", (int)n, *variable);
	}
}

int conf_sources_environment(struct conf *c)
{
	for (size_t i = 0; i < conf_table_rows; i++) {
		if (!is_setting(i))
			continue;
		char name[VARIABLE];
		make_variable(conf_table[i].name, name, sizeof name);
		const char *value = getenv(name);
		if (value != NULL && value[0] != '\0' && conf_values_set(c, i, value, "environment", name) != 0)
			return -1;
	}
	report_unknown_variables();
	return 0;
}

static int read_line(struct conf *c, const char *path, unsigned number, char *line)
{
	char called[512];
	line[strcspn(line, "\r\n")] = '\0';
	char *name = line + strspn(line, " \t");
	if (*name == '\0' || *name == '#')
		return 0;
	char *value = name + strcspn(name, " \t=");
	if (*value != '\0')
		*value++ = '\0';
	value += strspn(value, " \t=");
	/* A # after white space begins a comment. */
	for (char *mark = value; (mark = strchr(mark, '#')) != NULL; mark++)
		if (mark == value || mark[-1] == ' ' || mark[-1] == '\t') {
			*mark = '\0';
			break;
		}
	for (size_t n = strlen(value); n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
		value[n - 1] = '\0';
	snprintf(called, sizeof called, "%s:%u: %s", path, number, name);
	size_t i = conf_table_find(name);
	if (i == conf_table_rows || !is_setting(i)) {
		log_say("%s: no such setting (`curlew config` lists them)", called);
		return -1;
	}
	if (*value == '\0' && conf_table[i].type != FLAG) {
		log_say("%s: no value (write `%s %s`)", called, name, conf_table[i].argument);
		return -1;
	}
	return conf_values_set(c, i, value, c->file_source, called);
}

/* The lines of an open file. */
static int read_lines(struct conf *c, const char *path, FILE *f)
{
	static const char mark[] = "\xef\xbb\xbf"; /* the byte order mark that some editors begin a file with */
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;
	for (unsigned number = 1; rc == 0 && (n = getline(&line, &cap, f)) >= 0; number++) {
		bool marked = number == 1 && strncmp(line, mark, strlen(mark)) == 0;
		if (strlen(line) == (size_t)n) {
			rc = read_line(c, path, number, line + (marked ? strlen(mark) : 0));
		} else {
			log_say("%s:%u: a NUL byte (save the file as UTF-8 text)", path, number);
			rc = -1;
		}
	}
	free(line);
	if (rc == 0 && ferror(f)) {
		log_say("%s: %s (check --config)", path, strerror(errno));
		rc = -1;
	}
	return rc;
}

static int read_file(struct conf *c, const char *path, bool must_exist)
{
	FILE *f = fopen(path, "re");
	if (f == NULL) {
		if (!must_exist && (errno == ENOENT || errno == ENOTDIR))
			return 0;
		log_say("%s: %s (check --config)", path, strerror(errno));
		return -1;
	}
	free(c->file_source);
	c->file_source = strdup(path);
	int rc = c->file_source == NULL ? -1 : read_lines(c, path, f);
	fclose(f);
	return rc;
}

int conf_sources_file(struct conf *c, const char *named)
{
	if (named == NULL)
		named = getenv("CURLEW_CONFIG");
	if (named != NULL && named[0] != '\0')
		return read_file(c, named, true);
	struct buf path;
	buf_init(&path, BUF_LINE);
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (xdg != NULL && xdg[0] == '/')
		buf_addf(&path, "%s/curlew/curlew.conf", xdg);
	else if (home != NULL)
		buf_addf(&path, "%s/.config/curlew/curlew.conf", home);
	int rc = 0;
	if (path.len > 0 && access(buf_str(&path), F_OK) == 0)
		rc = read_file(c, buf_str(&path), true);
	else
		rc = read_file(c, "/etc/curlew.conf", false);
	buf_fini(&path);
	return rc;
}

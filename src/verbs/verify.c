#include "verbs/verbs.h"

#include "base/conf.h"
#include "base/log.h"
#include "index/edit.h"
#include "store/verify.h"
#include "verbs/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct found {
	const char *dir;
	bool repair, json;
	long faults, repaired;
	struct buf why;
};

static void show_progress(void *ctx, int64_t rows, int64_t bytes)
{
	(void)ctx;
	char number[24];
	struct buf size;
	buf_init(&size, BUF_LINE);
	snprintf(number, sizeof number, "%" PRId64, bytes);
	listing_format(&size, LISTING_BYTES, number);
	fprintf(stderr, "\r%" PRId64 " rows, %s read\033[K ", rows, buf_str(&size));
	buf_fini(&size);
}

/* Deletes the row, whose trigger puts its file into the trash, or puts a file without a row into the trash. */
static void repair(struct found *f, enum verify_fault fault, const char *table, int64_t id, const char *file)
{
	char sql[96];
	int64_t changed = 0;
	const char *params[] = {file};
	if (fault == VERIFY_UNOWNED)
		snprintf(sql, sizeof sql, "INSERT INTO trash (file) VALUES (?1)");
	else if (fault == VERIFY_INVALID)
		snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id = %" PRId64, table, id);
	else
		snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id = %" PRId64 " AND body_file = ?1", table, id);
	if (index_change(f->dir, sql, params, fault == VERIFY_INVALID ? 0 : 1, &changed, &f->why) == 0)
		f->repaired += changed > 0;
}

static void note_fault(
    void *ctx, enum verify_fault fault, const char *table, int64_t id, const char *file, const char *url)
{
	static const char *const words[] = {[VERIFY_INVALID] = "invalid",
	    [VERIFY_MISSING] = "missing",
	    [VERIFY_SIZE] = "size",
	    [VERIFY_CONTENT] = "content",
	    [VERIFY_UNOWNED] = "unowned"};
	struct found *f = ctx;
	char number[24];
	snprintf(number, sizeof number, "%" PRId64, id);
	struct index_column columns[] = {{"fault", words[fault], false}, {"table", table, false},
	    {"id", table != NULL ? number : NULL, true}, {"file", file, false}, {"url", url, false}};
	if (f->json) {
		fputs(f->faults > 0 ? ",\n " : "", stdout);
		listing_json_object(stdout, columns, sizeof columns / sizeof columns[0]);
	} else {
		printf("%s\t", words[fault]);
		listing_clean(stdout, file != NULL ? file : "-", file != NULL ? strlen(file) : 1);
		putchar('\t');
		if (url != NULL)
			listing_clean(stdout, url, strlen(url));
		else if (fault == VERIFY_INVALID)
			printf("%s %" PRId64, table, id);
		else
			putchar('-');
		putchar('\n');
	}
	f->faults++;
	if (f->repair)
		repair(f, fault, table, id, file);
}

static int verify(const struct conf *conf)
{
	struct found f = {
	    .dir = conf_cache_dir(conf), .repair = conf_flag(conf, "repair"), .json = conf_flag(conf, "json")};
	struct check check = {.fault = note_fault, .progress = isatty(STDERR_FILENO) ? show_progress : NULL, .ctx = &f};
	buf_init(&f.why, BUF_LINE);
	if (f.json)
		putchar('[');
	int rc = verify_cache(&check, f.dir, &f.why);
	if (check.progress != NULL)
		fputs("\r\033[K", stderr);
	if (f.json)
		puts("]");
	if (rc != 0 || f.why.len > 0)
		log_say("verify: %s", buf_str(&f.why));
	else if (f.faults == 0)
		log_say("verify: %" PRId64 " rows and %" PRId64 " files are correct", check.rows, check.files);
	else if (f.repair)
		log_say("verify: %ld of %ld faults repaired", f.repaired, f.faults);
	else
		log_say("verify: %ld faults in %" PRId64 " rows and %" PRId64
			" files (--repair removes them; the next request fetches again)",
		    f.faults, check.rows, check.files);
	bool failed = rc != 0 || f.why.len > 0;
	buf_fini(&f.why);
	return failed ? VERB_ERROR : f.faults > f.repaired ? VERB_NOTHING : VERB_DONE;
}

int verb_verify(int argc, char **argv)
{
	int status;
	struct conf *conf = conf_parse(CONF_VERIFY, argc, argv, &status);
	if (conf == NULL)
		return status;
	status = VERB_USAGE;
	if (conf_operands(conf) > 0)
		log_say("verify: %s: not expected (see `curlew verify --help`)", conf_operand(conf, 0));
	else
		status = verify(conf);
	conf_free(conf);
	return status;
}

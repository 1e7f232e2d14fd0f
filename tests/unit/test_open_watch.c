/* Who opens the index is noticed and let pass: the room by itself, and the writer, whose transaction ends for
 * it. */
#include "unit/store_fixture.h"

#include "index/open_watch.h"
#include "index/transaction.h"
#include "index/writer.h"

/* --- the room --- */

struct door {
	const struct house *house;
	int watch, pauses;
	int visits; /* during pauses: so many more */
	int leaves; /* in which pause the one inside leaves; 0: never */
	int inside;
};

static int enter(const struct house *h, int flags)
{
	int fd = open(in_house(h, "index.db"), flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void pause_at_door(void *ctx, int64_t us)
{
	struct door *d = ctx;
	assert_int_equal(us, 1000);
	d->pauses++;
	if (d->visits > 0) {
		d->visits--;
		close(enter(d->house, O_RDONLY));
	}
	if (d->pauses == d->leaves)
		close(d->inside);
}

static struct door door(struct house *h)
{
	write_file(h, "index.db", "");
	struct door d = {.house = h, .watch = open_watch_begin(h->dir)};
	assert_true(d.watch >= 0);
	return d;
}

static int pauses(struct door *d)
{
	d->pauses = 0;
	open_watch_let_pass(d->watch, pause_at_door, d);
	return d->pauses;
}

static void nobody_is_waited_for_when_nobody_came(void **state)
{
	struct door d = door(*state);
	assert_false(open_watch_came(d.watch));
	assert_int_equal(pauses(&d), 0);
	open_watch_end(d.watch);
}

static void who_stays_is_given_ten_milliseconds_once(void **state)
{
	struct door d = door(*state);
	d.inside = enter(d.house, O_RDWR);
	assert_true(open_watch_came(d.watch));
	assert_int_equal(pauses(&d), 10);
	assert_false(open_watch_came(d.watch));
	assert_int_equal(pauses(&d), 0);
	close(d.inside);
	open_watch_end(d.watch);
}

static void who_leaves_is_not_waited_for(void **state)
{
	struct door d = door(*state);
	d.inside = enter(d.house, O_RDWR);
	d.leaves = 3;
	assert_int_equal(pauses(&d), 3);
	open_watch_end(d.watch);
}

/* A shell reads the file's first bytes before it opens it as a database. */
static void a_look_inside_is_not_yet_the_visit(void **state)
{
	struct door d = door(*state);
	close(enter(d.house, O_RDONLY));
	assert_true(open_watch_came(d.watch));
	assert_int_equal(pauses(&d), 10);
	open_watch_end(d.watch);
}

static void many_do_not_keep_the_writer_away_for_ever(void **state)
{
	struct door d = door(*state);
	d.visits = 1000;
	close(enter(d.house, O_RDONLY));
	assert_int_equal(pauses(&d), 50);
	open_watch_end(d.watch);
}

static void a_cache_that_cannot_be_watched_has_no_visitors(void **state)
{
	struct house *h = *state;
	struct door d = {.house = h, .watch = open_watch_begin(h->dir)};
	assert_int_equal(d.watch, -1);
	assert_false(open_watch_came(d.watch));
	assert_int_equal(pauses(&d), 0);
	open_watch_end(d.watch);
}

/* --- the writer --- */

struct scene {
	const struct house *house;
	bool visited;
	int inside;
	char log[64];
};

struct step {
	struct writer_op op; /* first */
	struct scene *scene;
	char name;
};

static void note(struct scene *s, const char *what, char name)
{
	size_t n = strlen(s->log);
	snprintf(s->log + n, sizeof s->log - n, "%s %c, ", what, name);
}

static int step_run(struct writer_op *op, struct index *ix)
{
	(void)ix;
	struct step *t = (struct step *)op;
	note(t->scene, "run", t->name);
	if (t->name == 'A' && t->scene->visited)
		t->scene->inside = enter(t->scene->house, O_RDONLY);
	return 0;
}

static void step_done(struct writer_op *op, bool committed)
{
	struct step *t = (struct step *)op;
	assert_true(committed);
	note(t->scene, "done", t->name);
}

/* Has A and B done by a writer that finds both queued; during A somebody opens the index, if visited. Were they one
 * transaction? */
static bool together(struct house *h, bool visited)
{
	struct index *holds = index_open(h->dir, INDEX_WRITER, &h->why),
		     *ix = index_open(h->dir, INDEX_WRITER, &h->why);
	assert_non_null(holds);
	assert_non_null(ix);
	assert_int_equal(index_begin(holds, "test"), INDEX_BEGUN);
	struct writer *w = writer_start(ix, h->dir);
	assert_non_null(w);
	struct scene scene = {.house = h, .visited = visited, .inside = -1};
	struct step steps[2];
	for (int i = 0; i < 2; i++) {
		steps[i] =
		    (struct step){.op = {.run = step_run, .done = step_done}, .scene = &scene, .name = (char)('A' + i)};
		writer_queue(w, &steps[i].op, false);
	}
	index_abort(holds);
	writer_stop(w);
	index_close(holds);
	if (scene.inside >= 0)
		close(scene.inside); /* only now: it takes SQLite's locks along */
	if (strcmp(scene.log, "run A, run B, done A, done B, ") == 0)
		return true;
	assert_string_equal(scene.log, "run A, done A, run B, done B, ");
	return false;
}

static void a_transaction_ends_when_somebody_opens_the_index(void **state)
{
	struct house *h = *state;
	store_close(h->store);
	h->store = NULL;
	EVENTUALLY(together(h, false)); /* at once, but on a machine so busy that A takes longer than a transaction may
					 */
	for (int i = 0; i < 3; i++)
		assert_false(together(h, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nobody_is_waited_for_when_nobody_came, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(who_stays_is_given_ten_milliseconds_once, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(who_leaves_is_not_waited_for, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(a_look_inside_is_not_yet_the_visit, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(many_do_not_keep_the_writer_away_for_ever, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(a_cache_that_cannot_be_watched_has_no_visitors, empty_house, close_house),
	    cmocka_unit_test_setup_teardown(a_transaction_ends_when_somebody_opens_the_index, open_house, close_house),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

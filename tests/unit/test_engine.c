/* The engine as its owner sees it: when a turn is due. */
#include "fetch/engine.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct bench {
	struct engine *engine;
	int listener; /* takes connections, and says nothing */
	char url[64];
	struct fetch *fetch;
	int ended;
	enum engine_outcome outcome;
};

static void on_head(void *ctx, int status, int minor, struct span fields, int64_t body_bytes)
{
	(void)ctx;
	(void)status;
	(void)minor;
	(void)fields;
	(void)body_bytes;
}

static bool on_data(void *ctx, const char *bytes, size_t n)
{
	(void)ctx;
	(void)bytes;
	(void)n;
	return true;
}

static void on_done(void *ctx, const struct engine_end *end)
{
	struct bench *b = ctx;
	b->ended++;
	b->outcome = end->outcome;
}

static const struct fetch_ops ops = {.head = on_head, .data = on_data, .done = on_done};

static void *begin(void *ctx)
{
	struct bench *b = ctx;
	struct fetch_spec spec = {
	    .method = "GET", .url = b->url, .upload_bytes = ENGINE_NO_UPLOAD, .trusted = true, .idempotent = true};
	b->fetch = engine_start(b->engine, &spec, &ops, b);
	return NULL;
}

static int set_up(void **state)
{
	static struct bench b;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	struct buf why;
	static const struct engine_limits limits = {3600000, 3600000};
	struct engine_config config = {.limits = &limits};
	buf_init(&why, BUF_LINE);
	b = (struct bench){.listener = socket(AF_INET, SOCK_STREAM, 0), .engine = engine_new(&config, &why)};
	*state = &b;
	if (b.engine == NULL || bind(b.listener, (struct sockaddr *)&at, n) != 0 || listen(b.listener, 1) != 0 ||
	    getsockname(b.listener, (struct sockaddr *)&at, &n) != 0)
		return -1;
	snprintf(b.url, sizeof b.url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
	engine_turn(b.engine, 0); /* this thread is the owner */
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;
	engine_stop(b->engine);
	engine_free(b->engine);
	close(b->listener);
	return 0;
}

static bool is_readable(const struct engine *e)
{
	struct pollfd p = {.fd = engine_fd(e), .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

/* The owner may have asked engine_wait_ms() before it gave the command. */
static void a_command_of_the_owner_makes_a_turn_due(void **state)
{
	struct bench *b = *state;
	assert_false(engine_has_command(b->engine));
	begin(b);
	assert_true(engine_has_command(b->engine));
	assert_int_equal(engine_wait_ms(b->engine), 0);
	engine_turn(b->engine, 0);
	assert_false(engine_has_command(b->engine));
	engine_cancel(b->fetch);
	assert_true(engine_has_command(b->engine));
	engine_turn(b->engine, 0);
	assert_int_equal(b->ended, 1);
	assert_int_equal(b->outcome, ENGINE_CANCELLED);
	assert_false(engine_has_command(b->engine));
}

static void a_command_of_another_thread_makes_the_descriptor_readable(void **state)
{
	struct bench *b = *state;
	pthread_t other;
	assert_false(is_readable(b->engine));
	assert_int_equal(pthread_create(&other, NULL, begin, b), 0);
	pthread_join(other, NULL);
	assert_true(is_readable(b->engine));
	assert_false(engine_has_command(b->engine));
}

/* The owner's command is first in the list, so the other thread writes nothing: the owner must know of its own. */
static void a_command_after_one_of_the_owner_is_done_in_the_same_turn(void **state)
{
	struct bench *b = *state;
	pthread_t other;
	begin(b);
	struct fetch *first = b->fetch;
	assert_int_equal(pthread_create(&other, NULL, begin, b), 0);
	pthread_join(other, NULL);
	assert_true(engine_has_command(b->engine));
	engine_cancel(first);
	engine_cancel(b->fetch);
	engine_turn(b->engine, 0);
	assert_int_equal(b->ended, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_command_of_the_owner_makes_a_turn_due, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_command_of_another_thread_makes_the_descriptor_readable, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_command_after_one_of_the_owner_is_done_in_the_same_turn, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Work that waits for a thread: clients take turns. */
#include "net/fair_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Pushes one item for each letter, its client; they come a millisecond apart. */
static void push_all(struct fair_queue *q, struct fair_item *items, const char *clients)
{
	for (size_t i = 0; clients[i] != '\0'; i++) {
		items[i] = (struct fair_item){.client = (uint64_t)clients[i], .since_ms = (int64_t)i};
		fair_queue_push(q, &items[i]);
	}
}

/* The clients of all that is popped. */
static void pop_all(struct fair_queue *q, char *out)
{
	struct fair_item *i;
	while ((i = fair_queue_pop(q)) != NULL)
		*out++ = (char)i->client;
	*out = '\0';
}

static void clients_are_served_in_turn(void **state)
{
	(void)state;
	static const struct {
		const char *came, *served;
	} table[] = {
	    {"", ""},
	    {"a", "a"},
	    {"aaaa", "aaaa"}, /* a front end is one address, and has every thread when nobody else waits */
	    {"aaaab", "abaaa"},
	    {"aaabbc", "abcaba"},
	    {"abcabc", "abcabc"},
	    {"aaaaaaaabbbbbbbb", "abababababababab"},
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct fair_queue q = {0};
		struct fair_item items[32];
		char served[33];
		push_all(&q, items, table[i].came);
		assert_int_equal(q.count, strlen(table[i].came));
		pop_all(&q, served);
		assert_string_equal(served, table[i].served);
		assert_int_equal(q.count, 0);
	}
}

static void a_clients_own_requests_stay_in_order(void **state)
{
	(void)state;
	struct fair_queue q = {0};
	struct fair_item items[8], *i;
	int64_t last[128];
	memset(last, -1, sizeof last);
	push_all(&q, items, "abababaa");
	while ((i = fair_queue_pop(&q)) != NULL) {
		assert_true(i->since_ms > last[i->client]);
		last[i->client] = i->since_ms;
	}
}

static void one_who_comes_back_goes_to_the_end_of_the_line(void **state)
{
	(void)state;
	struct fair_queue q = {0};
	struct fair_item items[3], again = {.client = 'a'};
	char served[8];
	push_all(&q, items, "abc");
	assert_int_equal(fair_queue_pop(&q)->client, 'a');
	fair_queue_push(&q, &again);
	pop_all(&q, served);
	assert_string_equal(served, "bca");
}

static void what_has_waited_too_long_is_taken_out_whoever_it_belongs_to(void **state)
{
	(void)state;
	struct fair_queue q = {0};
	struct fair_item items[9], *old;
	char served[16];
	size_t taken = 0;
	push_all(&q, items, "aababcaab");
	for (old = fair_queue_pop_old(&q, 5); old != NULL; old = old->next, taken++)
		assert_true(old->since_ms <= 5);
	assert_int_equal(taken, 6);
	assert_int_equal(q.count, 3);
	pop_all(&q, served);
	assert_int_equal(strlen(served), 3);
	assert_null(fair_queue_pop_old(&q, 100));
}

static void many_clients_do_not_mix(void **state)
{
	(void)state;
	enum { CLIENTS = 3000 };
	static struct fair_item items[2 * CLIENTS];
	struct fair_queue q = {0};
	for (size_t i = 0; i < 2 * CLIENTS; i++) {
		items[i] = (struct fair_item){.client = i % CLIENTS, .since_ms = (int64_t)i};
		fair_queue_push(&q, &items[i]);
	}
	for (size_t i = 0; i < 2 * CLIENTS; i++)
		assert_ptr_equal(fair_queue_pop(&q), &items[i]);
	assert_null(fair_queue_pop(&q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clients_are_served_in_turn),
	    cmocka_unit_test(a_clients_own_requests_stay_in_order),
	    cmocka_unit_test(one_who_comes_back_goes_to_the_end_of_the_line),
	    cmocka_unit_test(what_has_waited_too_long_is_taken_out_whoever_it_belongs_to),
	    cmocka_unit_test(many_clients_do_not_mix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

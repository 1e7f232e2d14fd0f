/*
 * Any bytes as a target, a URL, a Location, a GLOB and as Vary with what it names. A key is the key of itself, what is
 * normalised stays as it is when normalised again, a path of ours never names a host, and a request always matches the
 * variant it made. Fields also pass through every verdict.
 */
#include "http/conditions.h"
#include "http/glob.h"
#include "http/key.h"
#include "http/location.h"
#include "http/policy_storing.h"
#include "http/stored_fields.h"
#include "http/vary.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_normal(char *url)
{
	char *again = url == NULL ? NULL : key_normalise(url, "https");
	if (url != NULL && (again == NULL || strcmp(url, again) != 0 || !key_same_origin(url, again)))
		abort();
	free(again);
	free(url);
}

static void check_key(char *key)
{
	char *again = key == NULL ? NULL : key_of_url(key, "https");
	if (key != NULL && (again == NULL || strcmp(key, again) != 0))
		abort();
	check_normal(key == NULL ? NULL : key_normalise(key, "https"));
	free(again);
	free(key);
}

static void check_location(char *location)
{
	if (location != NULL && (location[0] != '/' || location[1] == '/' || location[1] == '\\'))
		abort();
	free(location);
}

/* What is read is what it is read as again. */
static void fuzz_glob(const char *text)
{
	struct buf once, twice;
	const char *why = NULL;
	buf_init(&once, BUF_HEAD);
	buf_init(&twice, BUF_HEAD);
	glob_is_wild(text);
	if (glob_read(text, "http*", &once, &why) == 0) {
		glob_matches(buf_str(&once), "http://a.example/b?c");
		if (glob_read(buf_str(&once), "http*", &twice, &why) != 0)
			abort();
	} else if (why == NULL) {
		abort();
	}
	buf_fini(&once);
	buf_fini(&twice);
}

static void fuzz_target(const char *origin, const char *method, struct span input)
{
	const struct key_settings settings = {"http", origin};
	struct key_target target;
	struct fault fault = {0, NULL};
	if (key_of_target(&settings, span_of(method), input, &target, &fault) == 0) {
		if (target.url != NULL)
			check_key(strdup(target.url));
	} else if (fault.status < 400 || fault.why == NULL) {
		abort();
	}
	if (target.path != NULL && target.form == KEY_PREFIX &&
	    (strstr(target.path, "/../") != NULL || strncmp(target.path, "../", 3) == 0))
		abort();
	key_fini(&target);
}

/* No client takes a path for a host, and no Destination leads out of the base path. */
static void fuzz_site(const char *backend, const char *key, struct span input)
{
	struct location_destination to;
	struct fault fault = {0, NULL};
	char *location = location_for_site(backend, key, input);
	if (location != NULL && strncmp(location, "//", 2) == 0)
		abort();
	free(location);
	if (location_destination(key, key, backend, "http://shop.example", input, &to, &fault) == 0) {
		const char *base = strstr(backend, "/app") != NULL ? "/app/" : "/";
		const char *path = to.value != NULL ? strchr(strstr(to.value, "://") + 3, '/') : base;
		if (path == NULL || strncmp(path, base, strlen(base)) != 0)
			abort();
		free(to.value);
		free(to.key);
	} else if (fault.status != 400 && fault.status != 502) {
		abort();
	}
}

static void fuzz_fields(struct span input)
{
	static const char *const targets[] = {"Curlew-Cache-Control"};
	const struct policy policy = {false, targets, 1};
	struct head head;
	struct buf out;
	struct policy_storing storing;
	message_init(&head);
	buf_init(&out, BUF_VARY);
	if (message_parse_fields(&head, input) == 0) {
		head.method = span_of("GET");
		head.status = 200;
		if (vary_text(&head, &head, &out) == 0 && !vary_matches(buf_str(&out), &head))
			abort();
		struct policy_exchange x = {
		    .request = &head, .response = &head, .asked_at = 1000, .answered_at = 1001, .freshened_by = &head};
		policy_storing_judge(&policy, &x, &storing);
		conditions_judge(&head, &head, 1000);
		stored_fields_update(&head, &head, true, &out);
	}
	buf_fini(&out);
	message_fini(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span input = span_make((const char *)bytes, n);
	char *text = strndup(input.at, input.len);
	fuzz_target(NULL, "GET", input);
	fuzz_target(NULL, "CONNECT", input);
	fuzz_target("http://o:81/base", "GET", input);
	check_normal(key_normalise(text, "http"));
	check_key(key_of_url(text, "http"));
	check_key(key_resolve("http://a/b/c?d", input));
	fuzz_glob(text);
	check_location(location_for_prefix("http", "http://a/b/c?d", input));
	check_location(location_for_reverse("http://a/b", "http://a/b/c?d", input));
	check_location(location_for_reverse("http://a", "http://a//b/c?d", input));
	fuzz_site("http://o:81/app", "https://shop.example/a/b?d", input);
	fuzz_site("https://o", "http://shop.example:81/", input);
	fuzz_fields(input);
	free(text);
	return 0;
}

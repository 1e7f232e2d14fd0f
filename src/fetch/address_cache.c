#include "fetch/address_cache.h"

#include <pthread.h>
#include <stdlib.h>

struct address_cache {
	CURLSH *share;
	/* One for each kind of data that libcurl locks: the names, and its own count of users. Held for a look into a
	 * table, never while libcurl waits. */
	pthread_mutex_t locks[CURL_LOCK_DATA_LAST];
};

static void lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *ctx)
{
	(void)easy;
	(void)access;
	struct address_cache *a = ctx;
	pthread_mutex_lock(&a->locks[data]);
}

static void unlock(CURL *easy, curl_lock_data data, void *ctx)
{
	(void)easy;
	struct address_cache *a = ctx;
	pthread_mutex_unlock(&a->locks[data]);
}

struct address_cache *address_cache_new(void)
{
	struct address_cache *a = calloc(1, sizeof *a);
	if (a == NULL || (a->share = curl_share_init()) == NULL) {
		free(a);
		return NULL;
	}
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&a->locks[i], NULL);
	curl_share_setopt(a->share, CURLSHOPT_LOCKFUNC, lock);
	curl_share_setopt(a->share, CURLSHOPT_UNLOCKFUNC, unlock);
	curl_share_setopt(a->share, CURLSHOPT_USERDATA, a);
	curl_share_setopt(a->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	return a;
}

void address_cache_free(struct address_cache *a)
{
	if (a == NULL)
		return;
	curl_share_cleanup(a->share);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&a->locks[i]);
	free(a);
}

void address_cache_use(struct address_cache *a, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_SHARE, a->share);
}

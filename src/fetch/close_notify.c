/*
 * OpenSSL calls on_event() for each alert of a connection. The result is kept in a struct close_notify, which hangs in
 * a slot of the SSL object and is freed with it. The transfer and the connection may end in either order, so each holds
 * a reference. Both are on the engine's thread: no lock is needed.
 */
#include "fetch/close_notify.h"

#include <openssl/ssl.h>
#include <stdlib.h>

struct close_notify {
	int holders;
	bool came;
};

/* Of the SSL objects of this process; -1: none was to be had. */
static int slot = -1;

/* OpenSSL frees the connection. */
static void on_connection_free(void *ssl, void *ctx, CRYPTO_EX_DATA *all, int at, long argl, void *argp)
{
	(void)ssl;
	(void)all;
	(void)at;
	(void)argl;
	(void)argp;
	close_notify_free(ctx);
}

static void on_event(const SSL *ssl, int where, int alert)
{
	struct close_notify *n = SSL_get_ex_data(ssl, slot);
	if (n != NULL && where == SSL_CB_READ_ALERT && (alert & 0xff) == SSL_AD_CLOSE_NOTIFY)
		n->came = true;
}

void close_notify_setup(void)
{
	slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_connection_free);
}

struct close_notify *close_notify_await(CURL *easy)
{
	struct curl_tlssessioninfo *tls = NULL;
	if (slot < 0 || curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || tls == NULL ||
	    tls->internals == NULL || tls->backend != CURLSSLBACKEND_OPENSSL)
		return NULL;
	struct close_notify *n = calloc(1, sizeof *n);
	if (n == NULL)
		return NULL;
	n->holders = 2;
	if (SSL_set_ex_data(tls->internals, slot, n) != 1) {
		free(n);
		return NULL;
	}
	SSL_set_info_callback(tls->internals, on_event);
	return n;
}

bool close_notify_is_missing(const struct close_notify *n)
{
	return n != NULL && !n->came;
}

void close_notify_free(struct close_notify *n)
{
	if (n != NULL && --n->holders == 0)
		free(n);
}

/*
 * Whether TLS said goodbye. A body that lasts until the connection ends is whole only if a close_notify came (RFC 9112 9.8); else anybody on
 * the way may have cut it. libcurl 7.88 takes both for an end, so OpenSSL is asked. Another TLS library reports it by itself.
 */
#include "fetch/engine_internal.h"

#include <openssl/ssl.h>
#include <stdlib.h>

/* The transfer and the connection hold one reference each, for either may go first. Both belong to the engine's thread. */
struct goodbye {
	int holders;
	bool said;
};

static int slot = -1;

static void on_connection_free(void *ssl, void *ctx, CRYPTO_EX_DATA *all, int at, long argl, void *argp)
{
	(void)ssl;
	(void)all;
	(void)at;
	(void)argl;
	(void)argp;
	goodbye_free(ctx);
}

static void on_event(const SSL *ssl, int where, int alert)
{
	struct goodbye *g = SSL_get_ex_data(ssl, slot);
	if (g != NULL && where == SSL_CB_READ_ALERT && (alert & 0xff) == SSL_AD_CLOSE_NOTIFY)
		g->said = true;
}

void goodbye_setup(void)
{
	slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_connection_free);
}

struct goodbye *goodbye_await(CURL *easy)
{
	struct curl_tlssessioninfo *tls = NULL;
	if (slot < 0 || curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || tls == NULL || tls->internals == NULL ||
	    tls->backend != CURLSSLBACKEND_OPENSSL)
		return NULL;
	struct goodbye *g = calloc(1, sizeof *g);
	if (g == NULL)
		return NULL;
	g->holders = 2;
	if (SSL_set_ex_data(tls->internals, slot, g) != 1) {
		free(g);
		return NULL;
	}
	SSL_set_info_callback(tls->internals, on_event);
	return g;
}

bool goodbye_missing(const struct goodbye *g)
{
	return g != NULL && !g->said;
}

void goodbye_free(struct goodbye *g)
{
	if (g != NULL && --g->holders == 0)
		free(g);
}

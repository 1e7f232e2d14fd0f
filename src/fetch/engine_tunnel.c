/* A connected socket for CONNECT, by libcurl's CONNECT_ONLY: its resolver, its happy eyeballs, its proxy support, our address check. */
#include "fetch/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct engine_tunnel {
	struct engine *engine;
	CURL *easy;
	bool not_allowed;
};

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)purpose;
	struct engine_tunnel *t = ctx;
	return engine_open_socket(t->engine, false, to, &t->not_allowed);
}

struct engine_tunnel *engine_connect(struct engine *e, const char *host, int port, int *fd,
    enum engine_outcome *outcome, char message[256])
{
	struct engine_tunnel *t = calloc(1, sizeof *t);
	char url[600], error[CURL_ERROR_SIZE] = "";
	curl_socket_t s = CURL_SOCKET_BAD;
	*outcome = ENGINE_TROUBLE;
	snprintf(message, 256, "out of memory");
	if (t == NULL || (t->easy = curl_easy_init()) == NULL) {
		free(t);
		return NULL;
	}
	if (e->config.offline) {
		*outcome = ENGINE_OFFLINE;
		engine_disconnect(t);
		return NULL;
	}
	t->engine = e;
	snprintf(url, sizeof url, "http://%s:%d/", host, port);
	engine_prepare(e, t->easy, t, on_open_socket);
	curl_easy_setopt(t->easy, CURLOPT_URL, url);
	curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(t->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, error);
	CURLcode code = curl_easy_perform(t->easy);
	if (code == CURLE_OK)
		curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &s);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, NULL); /* the handle outlives it */
	if (s != CURL_SOCKET_BAD) {
		*outcome = ENGINE_OK;
		*fd = s;
		return t;
	}
	*outcome = t->not_allowed ? ENGINE_NOT_ALLOWED : engine_outcome_of(code, false);
	snprintf(message, 256, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
	engine_disconnect(t);
	return NULL;
}

void engine_disconnect(struct engine_tunnel *t)
{
	if (t == NULL)
		return;
	curl_easy_cleanup(t->easy);
	free(t);
}

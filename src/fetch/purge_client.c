#include "fetch/purge_client.h"

#include "http/url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	CONNECT_S = 10,
	WAIT_S = 600 /* a large purge takes its time */
};

static size_t take_body(char *bytes, size_t one, size_t n, void *page)
{
	buf_add(page, bytes, one * n); /* more than fits is of no interest */
	return one * n;
}

static struct curl_slist *add_line(struct curl_slist *list, struct span line, bool *failed)
{
	char text[2048];
	if (line.len >= sizeof text) {
		*failed = true;
		return list;
	}
	memcpy(text, line.at, line.len);
	text[line.len] = '\0';
	struct curl_slist *more = curl_slist_append(list, text);
	*failed = *failed || more == NULL;
	return more != NULL ? more : list;
}

/* The fields of the request, with the Host that its target names. NULL: no memory, or a line is too long. */
static struct curl_slist *make_fields(const char *target, struct span fields)
{
	struct span rest = span_of(target), line;
	struct curl_slist *list = NULL;
	char host[512];
	bool secure, failed = false;
	if (url_take_scheme(&rest, &secure)) {
		int n = snprintf(host, sizeof host, "Host: %.*s", (int)url_until(rest, "/?#"), rest.at);
		list = add_line(list, span_make(host, n < (int)sizeof host ? (size_t)n : sizeof host - 1), &failed);
	}
	list = add_line(list, span_of("Accept:"), &failed); /* libcurl's own is left out */
	while (span_next_line(&fields, &line))
		list = add_line(list, line, &failed);
	if (!failed)
		return list;
	curl_slist_free_all(list);
	return NULL;
}

static void set_node(CURL *c, const char *node)
{
	static const char unix_socket[] = "unix:";
	bool is_socket = strncmp(node, unix_socket, sizeof unix_socket - 1) == 0;
	curl_easy_setopt(c, CURLOPT_URL, is_socket ? "http://localhost/" : node);
	if (is_socket)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, node + sizeof unix_socket - 1);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)WAIT_S);
}

int purge_client_send(const char *node, const char *target, struct span fields, struct buf *page, struct buf *why)
{
	char error[CURL_ERROR_SIZE] = "";
	long status = -1;
	CURL *c = curl_easy_init();
	struct curl_slist *list = make_fields(target, fields);
	if (c != NULL && list != NULL) {
		set_node(c, node);
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "PURGE");
		curl_easy_setopt(c, CURLOPT_REQUEST_TARGET, target);
		curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
		curl_easy_setopt(c, CURLOPT_USERAGENT, "curlew");
		curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
		curl_easy_setopt(c, CURLOPT_WRITEDATA, page);
		curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
		CURLcode code = curl_easy_perform(c);
		if (code == CURLE_OK)
			curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		else
			buf_adds(why, error[0] != '\0' ? error : curl_easy_strerror(code));
	} else {
		buf_adds(why, "out of memory, or a tag is too long");
	}
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
	return (int)status;
}

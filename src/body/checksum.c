/*
 * The algorithm is fetched from OpenSSL once. An implicit fetch for each body costs more than hashing a small one.
 */
#include "body/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (256 << 10)

static EVP_MD *algorithm;

static void fetch_algorithm(void)
{
	algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

struct checksum *checksum_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, fetch_algorithm);
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	if (sha != NULL && (algorithm == NULL || EVP_DigestInit_ex2(sha, algorithm, NULL) != 1)) {
		EVP_MD_CTX_free(sha);
		sha = NULL;
	}
	return (struct checksum *)sha;
}

int checksum_add(struct checksum *c, const void *bytes, size_t n)
{
	return EVP_DigestUpdate((EVP_MD_CTX *)c, bytes, n) == 1 ? 0 : -1;
}

int checksum_end(struct checksum *c, unsigned char sha256[32])
{
	return EVP_DigestFinal_ex((EVP_MD_CTX *)c, sha256, NULL) == 1 ? 0 : -1;
}

void checksum_free(struct checksum *c)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)c);
}

bool checksum_matches(int fd, const unsigned char sha256[32], int64_t *read_bytes)
{
	unsigned char is[32];
	bool same = false;
	off_t at = 0;
	char *buffer = malloc(READ_BYTES);
	struct checksum *c = checksum_new();
	if (buffer == NULL || c == NULL)
		goto out;
	ssize_t n;
	while ((n = pread(fd, buffer, READ_BYTES, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || checksum_add(c, buffer, (size_t)n) != 0)
			goto out;
		at += n;
	}
	same = checksum_end(c, is) == 0 && memcmp(is, sha256, sizeof is) == 0;
out:
	if (read_bytes != NULL)
		*read_bytes = at;
	checksum_free(c);
	free(buffer);
	return same;
}

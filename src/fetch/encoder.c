/*
 * The levels are those at which the libraries still compress some 50 MB a second: a copy is made once, but each URL
 * that is fetched gets one.
 */
#include "fetch/encoder.h"

#include <brotli/encode.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
	PIECE_BYTES = 64 << 10,
	GZIP_LEVEL = 6,
	GZIP_FORMAT = 15 + 16,
	BROTLI_LEVEL = 5,
	BROTLI_WINDOW = 22,
	ZSTD_LEVEL = 6
};

/* One of the three, at work. Its output goes to out, which has room for `most` bytes. */
struct encoder {
	enum compression coding;
	z_stream gzip;
	BrotliEncoderState *brotli;
	ZSTD_CStream *zstd;
	char *out;
	size_t n, most;
};

static int begin(struct encoder *e)
{
	switch (e->coding) {
	case COMPRESSION_GZIP:
		return deflateInit2(&e->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_FORMAT, 8, Z_DEFAULT_STRATEGY) == Z_OK ? 0
														  : -1;
	case COMPRESSION_BROTLI:
		e->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
		return e->brotli != NULL && BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_QUALITY, BROTLI_LEVEL) &&
			       BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_LGWIN, BROTLI_WINDOW)
			   ? 0
			   : -1;
	case COMPRESSION_ZSTD:
		e->zstd = ZSTD_createCStream();
		return e->zstd != NULL && !ZSTD_isError(ZSTD_initCStream(e->zstd, ZSTD_LEVEL)) ? 0 : -1;
	case COMPRESSION_NONE:
	case COMPRESSIONS:
		break;
	}
	return -1;
}

static void end(struct encoder *e)
{
	if (e->coding == COMPRESSION_GZIP)
		deflateEnd(&e->gzip); /* does no harm if it has not begun */
	if (e->brotli != NULL)
		BrotliEncoderDestroyInstance(e->brotli);
	ZSTD_freeCStream(e->zstd);
}

/* Each takes a piece and, if it is the last one, ends the output. 0, or -1: no room or an error. */
static int feed_gzip(struct encoder *e, const char *bytes, size_t n, bool last)
{
	e->gzip.next_in = (Bytef *)(uintptr_t)bytes;
	e->gzip.avail_in = (uInt)n;
	e->gzip.next_out = (Bytef *)e->out + e->n;
	e->gzip.avail_out = (uInt)(e->most - e->n);
	int rc = deflate(&e->gzip, last ? Z_FINISH : Z_NO_FLUSH);
	e->n = e->most - e->gzip.avail_out;
	return e->gzip.avail_in == 0 && (last ? rc == Z_STREAM_END : rc == Z_OK && e->gzip.avail_out > 0) ? 0 : -1;
}

static int feed_brotli(struct encoder *e, const char *bytes, size_t n, bool last)
{
	const uint8_t *in = (const uint8_t *)bytes;
	uint8_t *out = (uint8_t *)e->out + e->n;
	size_t room = e->most - e->n;
	BrotliEncoderOperation what = last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;
	bool ok = BrotliEncoderCompressStream(e->brotli, what, &n, &in, &room, &out, NULL);
	e->n = e->most - room;
	return ok && n == 0 && (last ? BrotliEncoderIsFinished(e->brotli) != 0 : room > 0) ? 0 : -1;
}

static int feed_zstd(struct encoder *e, const char *bytes, size_t n, bool last)
{
	ZSTD_inBuffer in = {bytes, n, 0};
	ZSTD_outBuffer out = {e->out, e->most, e->n};
	size_t left = 1;
	while (left != 0 && (last || in.pos < in.size)) {
		left = ZSTD_compressStream2(e->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left) || (left != 0 && out.pos == out.size))
			return -1;
	}
	e->n = out.pos;
	return 0;
}

static int feed(struct encoder *e, const char *bytes, size_t n, bool last)
{
	return e->coding == COMPRESSION_GZIP     ? feed_gzip(e, bytes, n, last)
	       : e->coding == COMPRESSION_BROTLI ? feed_brotli(e, bytes, n, last)
						 : feed_zstd(e, bytes, n, last);
}

int encoder_run(int fd, int64_t n, enum compression coding, const atomic_bool *stop, struct encoded *result)
{
	char piece[PIECE_BYTES];
	struct encoder e = {.coding = coding, .most = (size_t)n - 1, .out = n > 1 ? malloc((size_t)n - 1) : NULL};
	int rc = e.out != NULL ? begin(&e) : -1;
	for (int64_t at = 0; rc == 0 && at < n;) {
		ssize_t got = pread(fd, piece, sizeof piece, at);
		if (got <= 0 || got > n - at || atomic_load(stop))
			rc = -1;
		else
			rc = feed(&e, piece, (size_t)got, at + got == n);
		at += got > 0 ? got : 0;
	}
	end(&e);
	if (rc != 0)
		free(e.out);
	*result = (struct encoded){rc == 0 ? e.out : NULL, rc == 0 ? e.n : 0};
	return rc;
}

#include "proxy/representation.h"

#include <unistd.h>

static int send_file(struct exchange *x, int fd, int64_t at, int64_t n)
{
	char small[32 << 10];
	struct sink *s = x->sink;
	if (n > (int64_t)sizeof small)
		return s->file(s, fd, at, n);
	ssize_t got = pread(fd, small, (size_t)n, at); /* one send with the head instead of two */
	if (got == n)
		return s->bytes(s, small, (size_t)n);
	s->cut(s);
	return -1;
}

int representation_send(struct exchange *x, const struct representation *rep, int64_t at, int64_t n)
{
	int rc = 0;
	while (rc == 0 && n > 0) {
		const struct partial_body_segment *piece =
		    rep->pieces != NULL ? partial_body_find(rep->pieces, at) : NULL;
		int64_t here = piece != NULL && piece->at + piece->n - at < n ? piece->at + piece->n - at : n;
		rc = piece != NULL ? send_file(x, piece->fd, piece->offset + at - piece->at, here)
				   : send_file(x, rep->fd, at, here);
		at += here;
		n -= here;
	}
	return rc;
}

/*
 * owner: whose the files of a cache are. Whatever a process makes in a cache directory belongs to the owner of that
 * directory, also when root makes it, and has the same mode whatever the umask: else one `curlew get` by root keeps an
 * unprivileged service from storing.
 *
 * The directory's own mode says who gets in. Beneath it the owner writes, others read, and the group writes too where
 * the directory lets it. index.db is made here as an empty file without being opened (invariant 9); SQLite gives -wal
 * and -shm its owner and mode.
 */
#ifndef CURLEW_BASE_OWNER_H
#define CURLEW_BASE_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

struct owner {
	uid_t uid;
	gid_t gid;
	bool gives;                  /* we are root, and the directory is somebody else's */
	mode_t folder, file, secret; /* of folders; of files that may be read; of files that others must not even read,
					such as locks */
};

/* What holds in that directory. It fails only where the directory cannot be asked; then as if it were our own. */
struct owner owner_of(int dir_fd);
/* These three make what is missing, with its owner and mode. 0 or -1 with errno. */
int owner_make_folder(const struct owner *, int dir_fd, const char *name); /* 0 also where it is there */
int owner_make_file(const struct owner *, int dir_fd, const char *name);   /* empty, without opening it; 0 also where it
									      is there */
/* As openat() with O_CLOEXEC and O_NOFOLLOW; flags may have O_CREAT. A descriptor, or -1 with errno. */
int owner_open(const struct owner *, int dir_fd, const char *name, int flags, mode_t mode);

#endif

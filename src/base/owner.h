/*
 * owner: owner and mode of the files of a cache. Every file in a cache directory belongs to the owner of the directory,
 * even when root makes it, and has the same mode whatever the umask. Otherwise one `curlew get` by root would keep an
 * unprivileged service from storing.
 *
 * The mode of the directory decides who may enter. Inside, the owner may write, others may read, and the group may
 * write if it may write the directory. index.db is made here as an empty file, without being opened (invariant 9).
 * SQLite gives -wal and -shm the owner and mode of index.db. Any thread may call.
 */
#ifndef CURLEW_BASE_OWNER_H
#define CURLEW_BASE_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

struct owner {
	uid_t uid;
	gid_t gid;
	bool gives; /* the process is root, and the directory belongs to another user */
	/* Modes of folders, of files that others may read, and of files that they may not read, such as locks. */
	mode_t folder, file, secret;
};

/* The owner for files in this directory. If fstat() fails, the directory counts as our own. */
struct owner owner_of(int dir_fd);
/* These three make a missing file or folder with its owner and mode. 0, or -1 with errno. */
/* 0 also if it exists. */
int owner_make_folder(const struct owner *, int dir_fd, const char *name);
/* Empty, and not opened. 0 also if it exists. */
int owner_make_file(const struct owner *, int dir_fd, const char *name);
/* As openat() with O_CLOEXEC and O_NOFOLLOW; flags may have O_CREAT. A descriptor, or -1 with errno. */
int owner_open(const struct owner *, int dir_fd, const char *name, int flags, mode_t mode);

#endif

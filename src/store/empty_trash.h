/* empty_trash: unlinks body files that no row owns any more (invariant 4). Maintenance thread. */
#ifndef CURLEW_STORE_EMPTY_TRASH_H
#define CURLEW_STORE_EMPTY_TRASH_H

struct maintenance;

/* One round: some of the files. */
void empty_trash(struct maintenance *);

#endif

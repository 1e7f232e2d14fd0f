/* stored: what became of a response that was to be stored. */
#ifndef CURLEW_INDEX_STORED_H
#define CURLEW_INDEX_STORED_H

enum index_stored {
	INDEX_STORED,
	INDEX_PURGED,  /* the row to be replaced was deleted, or the URL was purged since (index_purged) */
	INDEX_CHANGED, /* the row to be replaced was given another lifetime */
	INDEX_UNSTORED /* SQLite or memory failed; logged */
};

#endif

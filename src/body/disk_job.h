/*
 * disk_job: one job in the disk thread's queue. The caller embeds it in a struct of its own, which holds the data.
 *
 * The caller owns the memory until run() is called. From disk_queue() to run(), only the disk thread touches it.
 */
#ifndef CURLEW_BODY_DISK_JOB_H
#define CURLEW_BODY_DISK_JOB_H

struct disk_job {
	void (*run)(struct disk_job *); /* called on the disk thread; it may free the job or queue it again */
	struct disk_job *next;          /* the disk thread's */
};

#endif

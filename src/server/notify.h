/*
 * notify: tells the service manager how the server is (sd_notify(3)): one datagram to the socket in NOTIFY_SOCKET, with
 * lines such as READY=1. Without that variable nothing is sent. The main thread.
 */
#ifndef CURLEW_SERVER_NOTIFY_H
#define CURLEW_SERVER_NOTIFY_H

#include <stdint.h>

/* Lines separated by newlines. An error is reported once. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* RELOADING=1 with the time that the service manager wants to see in it. */
void notify_reloading(void);

/* How often WATCHDOG=1 must be sent at least, in ms; 0: the service manager does not watch (WATCHDOG_USEC). */
int64_t notify_watchdog_ms(void);

#endif

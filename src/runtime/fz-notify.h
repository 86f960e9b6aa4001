/* fz-notify.h
 *
 * Tells the service manager how we are: ready, stopping, alive. Everything is a
 * no-op where no manager listens (NOTIFY_SOCKET unset).
 */
#pragma once

#include <glib.h>

void fz_notify_ready (const char *status); /* a short sentence for systemctl status */
void fz_notify_status (const char *status);
void fz_notify_stopping (void);

/* Pets the watchdog from the default main context at half the interval the manager asked for.
 * Returns: the source's id for g_source_remove, 0 if no watchdog is wanted */
guint fz_notify_start_watchdog (void);

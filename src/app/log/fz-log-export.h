/* fz-log-export.h
 *
 * Writes the archive for support: the service's own export where it is the
 * service's log, otherwise the file that is shown, redacted here. It appears
 * under its name only when it is whole.
 */
#pragma once

#include "src/logfile/fz-log-index.h"
#include "src/logfile/fz-log-redact.h"

typedef struct {
  char *path;           /* of the archive */
  GDBusConnection *bus; /* NULL: @index is exported */
  FzLogIndex *index;
  FzLogRedactFlags flags; /* of a local export; the service has its own rules */
} FzLogExport;

/* Copies @what. */
void fz_log_export_async (const FzLogExport *what,
                          GCancellable *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer user_data);
bool fz_log_export_finish (GAsyncResult *result, GError **error);

/* "firezone-logs-2026-03-01-09-12.tar.gz", local time */
char *fz_log_export_suggest_name (void);

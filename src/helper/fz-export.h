/* fz-export.h
 *
 * An archive for whoever helps: the logs, what the service says of itself, and
 * its counters, redacted. Written by a thread of its own, so that a slow target
 * holds up nobody but itself. Whoever may not see everybody's log gets his own
 * files and nobody's: which is whose stands in their names (fz-log-setup.h).
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define FZ_EXPORT_LOGS_MAX 60u /* the newest */

typedef struct {
  int target;          /* taken */
  char *log_directory; /* taken; NULL: no logs */
  char *state;         /* taken: text */
  char *metrics;       /* taken: text */
  GPtrArray *names;    /* taken: of persons and private things, to be removed */
  uint32_t reader;     /* uid */
  bool reads_all;      /* may see other users' files, too */
} FzExport;

/* Whether @fd can be written to by a thread that may wait; otherwise what is wrong. */
const char *fz_export_check_target (int fd);

/* @callback: from the main loop. Takes what @export has. @cancellable: cancelled when nobody wants
 * it any more. */
void fz_export_start (FzExport *export,
                      GCancellable *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer user_data);
bool fz_export_finish (GAsyncResult *result, GError **error);

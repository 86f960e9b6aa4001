/* fz-log-bundle.h
 *
 * A .tar.gz of logs and texts, written to a descriptor as it is made: nothing is
 * kept in memory or in temporary files. A tar header tells the size before the
 * data, so a log is redacted twice: once to count, once to write.
 *
 * Blocking; for a worker thread. One owner.
 */
#pragma once

#include "src/logfile/fz-log-redact.h"

#include <gio/gio.h>

#define FZ_LOG_BUNDLE_LOG_BYTES_MAX  (64u << 20) /* of one log, its end; before redaction */
#define FZ_LOG_BUNDLE_TEXT_BYTES_MAX (4u << 20)  /* of one text */
#define FZ_LOG_BUNDLE_MEMBERS_MAX    64u

typedef struct FzLogBundle FzLogBundle;

/**
 * fz_log_bundle_new:
 * @fd: borrowed, open for writing: file, pipe or socket; a blocking one
 * @folder: name of the one folder in the archive: ASCII letters, digits, '.', '_' and '-'
 * @redact: (transfer full): for all logs and texts, so that placeholders agree between them
 */
FzLogBundle *fz_log_bundle_new (int fd, const char *folder, FzLogRedact *redact, GError **error);

/* Ends it, as far as fz_log_bundle_close() has not; an archive that was not closed is torn. */
void fz_log_bundle_free (FzLogBundle *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogBundle, fz_log_bundle_free)

/* @name: of the member, as @folder. @text: redacted here. Longer text is cut, and says so. */
bool fz_log_bundle_add_text (FzLogBundle *self, const char *name, const char *text, GError **error);

/**
 * fz_log_bundle_add_log:
 * @log_fd: borrowed; a regular file, read from 0 by pread(); of a longer one the last
 *   FZ_LOG_BUNDLE_LOG_BYTES_MAX, from a line's start. What is written to it meanwhile is left out;
 *   where it is cut short meanwhile the member is filled up with newlines
 *
 * @error: G_FILE_ERROR if @log_fd cannot be read, G_IO_ERROR for whatever else, @fd among it
 */
bool fz_log_bundle_add_log (
    FzLogBundle *self, const char *name, int log_fd, GCancellable *cancellable, GError **error);

/* Adds REDACTION.txt (fz_log_redact_describe) and ends the archive. Call it last, once. */
bool fz_log_bundle_close (FzLogBundle *self, GError **error);

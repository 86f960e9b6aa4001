/* fz-log-setup.h
 *
 * Where a program's log goes: standard output, and a file in a folder where one
 * is named. The folder is kept below a size by deleting the oldest files.
 */
#pragma once

#include "src/runtime/fz-log-json.h"

#include <glib.h>

#define FZ_LOG_FOLDER_BYTES_MAX (UINT64_C (100) << 20)
#define FZ_LOG_FOLDER_CHECK_S   3600u

typedef struct {
  const char *name;      /* of the program: NAME.2026-01-31-09-30-00.log, NAME.latest */
  const char *directory; /* NULL: no files */
  const char *filter;    /* RUST_LOG's; NULL: info */
  FzLogFormat format;    /* of standard output; files are JSON */
} FzLogSetupConfig;

typedef struct FzLogSetup FzLogSetup;

/* @error: names the folder, or the filter. Takes over GLib's own messages too. */
FzLogSetup *fz_log_setup_new (const FzLogSetupConfig *config, GError **error);
void fz_log_setup_free (FzLogSetup *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogSetup, fz_log_setup_free)

FzLog fz_log_setup_get (FzLogSetup *self, const char *target);

/* Deletes the oldest logs of @directory until the rest fits @max_bytes; the newest always stays. */
void fz_log_setup_clean (const char *directory, uint64_t max_bytes);

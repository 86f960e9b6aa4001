/* fz-log-setup.h
 *
 * Where a program's log goes: standard output, or the journal where that is what
 * stands behind it; and a file in a folder where one is named. The file turns
 * its page when it is full, and the folder is kept below a size by deleting the
 * oldest files: however long a program runs, FZ_LOG_FOLDER_BYTES_MAX and one
 * run's FZ_LOG_FILE_BYTES_DEFAULT × (1 + FZ_LOG_SETUP_OLD_FILES) is all it takes.
 */
#pragma once

#include "src/runtime/fz-log-json.h"

#include <glib.h>

#define FZ_LOG_FOLDER_BYTES_MAX (UINT64_C (100) << 20)
#define FZ_LOG_FOLDER_FILES_MAX 200u
#define FZ_LOG_FOLDER_CHECK_S   3600u
#define FZ_LOG_SETUP_OLD_FILES  3u

typedef struct {
  const char *name;        /* of the program: NAME.2026-01-31-09-30-00.log, NAME.latest */
  const char *directory;   /* NULL: no files */
  const char *filter;      /* RUST_LOG's; NULL: info */
  FzLogFormat format;      /* of standard output; files are JSON */
  bool uses_journal;       /* instead of standard output, where that goes to the journal anyway */
  uint64_t max_file_bytes; /* 0: FZ_LOG_FILE_BYTES_DEFAULT */
} FzLogSetupConfig;

typedef struct FzLogSetup FzLogSetup;

/* @error: names the folder, or the filter. Takes over GLib's own messages too. */
FzLogSetup *fz_log_setup_new (const FzLogSetupConfig *config, GError **error);
void fz_log_setup_free (FzLogSetup *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogSetup, fz_log_setup_free)

FzLog fz_log_setup_get (FzLogSetup *self, const char *target);

/* For all sinks at once; false and unchanged, see fz_log_json_set_filter. */
bool fz_log_setup_set_filter (FzLogSetup *self, const char *filter, GError **error);

/* In force; borrowed until the next change. */
const char *fz_log_setup_get_filter (const FzLogSetup *self);

/* The file now being written, for reading; -1 with G_FILE_ERROR, also where there is none. */
int fz_log_setup_open_file (FzLogSetup *self, GError **error);

/* From now on another person's log: fz_log_setup_open_file() shows nothing from before. */
void fz_log_setup_turn_page (FzLogSetup *self);

const char *fz_log_setup_get_directory (const FzLogSetup *self); /* NULL: no files */

/* Deletes the oldest logs of @directory until the rest fits @max_bytes and
 * FZ_LOG_FOLDER_FILES_MAX; the newest always stays. */
void fz_log_setup_clean (const char *directory, uint64_t max_bytes);

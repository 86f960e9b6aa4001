/* fz-log-setup.h
 *
 * Where a program's log goes: standard output, or the journal where that is what
 * stands behind it; and a file in a folder where one is named. The file turns
 * its page when it is full, and the folder is kept below a size by deleting the
 * oldest files: however long a program runs, FZ_LOG_FOLDER_BYTES_MAX and
 * FZ_LOG_FILE_BYTES_DEFAULT × (1 + FZ_LOG_SETUP_OLD_FILES) is all it takes.
 *
 * A program that works for one user after another has a file for each, which
 * names its owner, and one for what belongs to nobody:
 *
 *   NAME.2026-01-31-09-30-00.log           nobody's
 *   NAME.2026-01-31-09-30-00.uid-1000.log  user 1000's; older pages end in .1, .2, …
 *
 * The folder is brought below its size whenever the owner changes, so many
 * owners take no more than one.
 */
#pragma once

#include "src/runtime/fz-log-json.h"

#include <glib.h>

#define FZ_LOG_FOLDER_BYTES_MAX (UINT64_C (100) << 20)
#define FZ_LOG_FOLDER_FILES_MAX 200u
#define FZ_LOG_FOLDER_CHECK_S   3600u
#define FZ_LOG_SETUP_OLD_FILES  3u

typedef struct {
  const char *name;        /* of the program; NAME.latest points at the file being written */
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

#define FZ_LOG_NOBODY UINT32_MAX

/* Whose the lines are that come from now on: a uid, or FZ_LOG_NOBODY as at the start. */
void fz_log_setup_set_owner (FzLogSetup *self, uint32_t uid);

/* This run's file of @uid, for reading, made if there is none so far; -1 with G_FILE_ERROR, also
 * where no files are written. It is the newest page: a reader meets its end and asks again. */
int fz_log_setup_open_file (FzLogSetup *self, uint32_t uid, GError **error);

/* Whose a log called @file is. False: its name does not say, so that it is not to be shown to
 * everybody. */
bool fz_log_setup_parse_owner (const char *file, uint32_t *out_uid);

const char *fz_log_setup_get_directory (const FzLogSetup *self); /* NULL: no files */

/* Deletes the oldest logs of @directory until the rest fits @max_bytes and
 * FZ_LOG_FOLDER_FILES_MAX; the newest always stays. */
void fz_log_setup_clean (const char *directory, uint64_t max_bytes);

/* fz-log-json.h
 *
 * A log sink that writes one line per record: JSON objects, or text for
 * terminals. One write() per line, so that lines of several processes never mix
 * in one file. Any thread may log.
 */
#pragma once

#include "src/base/fz-log.h"

#include <glib.h>

typedef enum {
  FZ_LOG_FORMAT_JSON,
  FZ_LOG_FORMAT_HUMAN,         /* "2026-08-21T12:34:56.789Z  INFO target: message key=value" */
  FZ_LOG_FORMAT_HUMAN_NO_TIME, /* the same for a journal that adds its own time */
} FzLogFormat;

#define FZ_LOG_FILE_BYTES_DEFAULT (16u << 20)
#define FZ_LOG_OLD_FILES_MAX      9u
#define FZ_LOG_FILTERS_MAX        256u /* different ones in the life of a sink */

/* Zero-initialise it: every zero field means the default named here. */
typedef struct {
  const char *path; /* file, mode 0640, appended to; NULL: @fd */
  int fd;           /* borrowed; 0: standard output */
  FzLogFormat format;
  const char *filter;      /* "info,wireguard=debug"; NULL: "info" */
  uint64_t max_file_bytes; /* then PATH becomes PATH.1; 0: FZ_LOG_FILE_BYTES_DEFAULT */
  unsigned n_old_files; /* PATH.1, the newest, … PATH.N; 0: one; at most FZ_LOG_OLD_FILES_MAX */
} FzLogJsonConfig;

typedef struct FzLogJson FzLogJson;

/* @error: G_FILE_ERROR for the file, G_OPTION_ERROR_BAD_VALUE for a bad filter. */
FzLogJson *fz_log_json_new (const FzLogJsonConfig *config, GError **error);
void fz_log_json_free (FzLogJson *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogJson, fz_log_json_free)

/* A log of ours for @target (static text); valid as long as @self. */
FzLog fz_log_json_get (FzLogJson *self, const char *target);

/* Replaces the filter at run time; false and unchanged for a bad one, or for one more than
 * FZ_LOG_FILTERS_MAX different ones: other threads may still look at the old. Main thread only. */
bool fz_log_json_set_filter (FzLogJson *self, const char *filter, GError **error);

/* The file now being written, opened anew for reading (close-on-exec, at its start); -1 with
 * G_FILE_ERROR. */
int fz_log_json_open_file (FzLogJson *self, GError **error);

/* What comes next goes to the end of @path, with pages of its own. Nothing for a sink without a
 * file. Where @path cannot be opened lines are lost until it can: they are not for the old file. */
void fz_log_json_set_path (FzLogJson *self, const char *path);

/* Sends GLib's own messages (g_warning and friends of the libraries) through the sink, under
 * their log domain as target. Call once; @self then lives as long as the process. */
void fz_log_json_capture_glib (FzLogJson *self);

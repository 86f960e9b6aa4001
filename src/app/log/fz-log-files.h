/* fz-log-files.h
 *
 * Which file a person means: the one to open, and the one to export to, asked by the desktop's
 * chooser. An export that was asked for is written from here.
 *
 * Belongs to the pane, which ends it in its dispose; main thread.
 *
 * Signals
 *   "chosen" (s): the path of a log to open
 *   "said" (s): something for the person to read
 *   "changed" (): an export has begun or ended
 */
#pragma once

#include "src/app/log/fz-log-reader.h"

#include <gtk/gtk.h>
#include <stdbool.h>

#define FZ_TYPE_LOG_FILES (fz_log_files_get_type ())
G_DECLARE_FINAL_TYPE (FzLogFiles, fz_log_files, FZ, LOG_FILES, GObject)

/* @reader: whose log is exported. */
FzLogFiles *fz_log_files_new (FzLogReader *reader);

/* Closes the chooser and stops an export; nothing more is signalled. */
void fz_log_files_close (FzLogFiles *self);

/* Asks for a log to open. @over: the widget over whose window. */
void fz_log_files_open (FzLogFiles *self, GtkWidget *over);

/* Asks for a target, and exports there what the reader shows by then. */
void fz_log_files_export (FzLogFiles *self, GtkWidget *over);

bool fz_log_files_is_exporting (const FzLogFiles *self);

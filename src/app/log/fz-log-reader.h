/* fz-log-reader.h
 *
 * Which log is shown, and what there is to see of it: finds the file (a path, or
 * the service's by the descriptor that OpenLog passes), reads its index in a
 * worker, answers the filter, follows the file as it grows, and begins anew when
 * it was rotated, cut or when the service came back. Knows no widget.
 *
 *   CLOSED ──open──► LOADING ──► READY ──► LOADING …          (rotated, cut, service back)
 *                       └──────► FAILED | DENIED | MISSING ──retry──► LOADING
 *
 * In READY there is a model, the same one from then on. It stays as it is while
 * the next file is opened, so that a rotation does not blank the screen.
 *
 * Signals
 *   "changed" (): state or text of the error
 *   "replacing" (): the model is about to show another file or another answer, or to go
 *   "replaced" (): it has
 *   "grew" (): rows were added at the model's end
 *
 * Main thread.
 */
#pragma once

#include "src/app/log/fz-log-model.h"
#include "src/logfile/fz-log-query.h"

#define FZ_TYPE_LOG_READER (fz_log_reader_get_type ())
G_DECLARE_FINAL_TYPE (FzLogReader, fz_log_reader, FZ, LOG_READER, GObject)

typedef enum {
  FZ_LOG_READER_CLOSED,
  FZ_LOG_READER_LOADING,
  FZ_LOG_READER_READY,
  FZ_LOG_READER_FAILED,  /* fz_log_reader_get_detail() says why */
  FZ_LOG_READER_DENIED,  /* the file, or polkit */
  FZ_LOG_READER_MISSING, /* no service, or no such file */
} FzLogReaderState;

FzLogReader *fz_log_reader_new (void);

void fz_log_reader_open_file (FzLogReader *self, const char *path);

/* @bus: (nullable): where the service is; NULL for the system bus. Starts the service if it can be.
 */
void fz_log_reader_open_service (FzLogReader *self, GDBusConnection *bus);

/* The same again. @interactive: polkit may ask the person for a password. */
void fz_log_reader_retry (FzLogReader *self, bool interactive);

/* Nobody looks: the file is not watched. What it missed comes when somebody looks again. */
void fz_log_reader_set_paused (FzLogReader *self, bool is_paused);

/**
 * fz_log_reader_set_query:
 * @query: copied
 * @line_in_view: where the person looks
 *
 * "replaced" comes with the answer, at once where it is known. Where it takes longer, it also comes
 * with what the answer begins with, as soon as that reaches @line_in_view.
 */
void fz_log_reader_set_query (FzLogReader *self, const FzLogQuery *query, uint32_t line_in_view);
const FzLogQuery *fz_log_reader_get_query (FzLogReader *self);

FzLogReaderState fz_log_reader_get_state (FzLogReader *self);
const char *fz_log_reader_get_detail (FzLogReader *self); /* "" if there is nothing to say */
FzLogModel *fz_log_reader_get_model (FzLogReader *self);  /* borrowed; NULL before READY */
uint32_t fz_log_reader_get_n_lines (FzLogReader *self);   /* of the file so far */
bool fz_log_reader_is_service (FzLogReader *self);
bool fz_log_reader_is_reading (FzLogReader *self);          /* index or filter not finished */
const char *fz_log_reader_get_path (FzLogReader *self);     /* NULL for the service's log */
GDBusConnection *fz_log_reader_get_bus (FzLogReader *self); /* NULL for a file */
int64_t
fz_log_reader_get_last_time_us (FzLogReader *self); /* of the last line, or FZ_LOG_TIME_UNKNOWN */

/* fz-log-model.h
 *
 * The rows of a log for a list view: all lines of an index, or those that a
 * filter chose. An item is made when the view asks for it, and reads its line
 * when a cell needs it; nothing is kept per line.
 *
 * An item stands for a place in the list. When the answer changes, the items
 * that the view holds become other lines and say so by "changed"; "items-changed"
 * tells only how much shorter or longer the list is at its end. A view that is
 * told that all rows went and others came would make its two hundred rows of
 * widgets anew, which takes it several times as long as writing into them.
 *
 * Main thread.
 */
#pragma once

#include "src/logfile/fz-log-entry.h"

#include <gio/gio.h>

#define FZ_TYPE_LOG_ROW (fz_log_row_get_type ())
G_DECLARE_FINAL_TYPE (FzLogRow, fz_log_row, FZ, LOG_ROW, GObject)

/* Signal "changed" (): it is another line now, perhaps of another file. */

uint32_t fz_log_row_get_line (FzLogRow *self);

/* (transfer none): read at the first call; until the row changes. */
const FzLogEntry *fz_log_row_get_entry (FzLogRow *self);

#define FZ_TYPE_LOG_MODEL (fz_log_model_get_type ())
G_DECLARE_FINAL_TYPE (FzLogModel, fz_log_model, FZ, LOG_MODEL, GObject)

/**
 * fz_log_model_new:
 * @rows: (nullable) (transfer full): array of uint32_t line numbers in order; NULL: all lines
 * @n_lines: of @index that @rows answers for
 */
FzLogModel *fz_log_model_new (FzLogIndex *index, GArray *rows, uint32_t n_lines);

/* Another answer, of the same file or another; as for fz_log_model_new(). */
void fz_log_model_replace (FzLogModel *self, FzLogIndex *index, GArray *rows, uint32_t n_lines);

FzLogIndex *fz_log_model_get_index (FzLogModel *self);  /* borrowed */
const GArray *fz_log_model_get_rows (FzLogModel *self); /* NULL: all lines */
uint32_t fz_log_model_get_n_lines (FzLogModel *self);   /* answered for */

/**
 * fz_log_model_extend:
 * @rows: (nullable): further line numbers, which begin at @first
 * @first: the first line that is new or that was torn and has changed
 * @n_lines: of the index by now
 *
 * After the file has grown.
 */
void fz_log_model_extend (FzLogModel *self, const GArray *rows, uint32_t first, uint32_t n_lines);

uint32_t fz_log_model_get_line (FzLogModel *self, guint row); /* @row: less than n_items */

/* The row of @line, or of the nearest line behind it; n_items if there is none. */
uint32_t fz_log_model_find_line (FzLogModel *self, uint32_t line);

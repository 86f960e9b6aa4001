/* fz-log-query.h
 *
 * Which lines of an index to show: a level at least, a time range, a target
 * prefix, a text. Answers are vectors of line numbers in order. Level, time and
 * target are asked of the index; only a text reads the file, in one sweep.
 *
 * A query is a value; fz_log_query_run() may run in any thread, also while the
 * index grows.
 */
#pragma once

#include "src/logfile/fz-log-index.h"

typedef struct {
  FzLogLevel least;    /* this level and worse; FZ_LOG_TRACE: every line. Lines of unknown level
                          always pass: they may be the crash one is looking for */
  int64_t from_us;     /* inclusive; INT64_MIN: open */
  int64_t until_us;    /* exclusive; INT64_MAX: open */
  char *target_prefix; /* NULL or "": any; compared byte by byte */
  char *text;          /* NULL or "": any; ASCII letters match in either case, in the line as it is
                          in the file or (quotes, backslashes) as it is shown */
} FzLogQuery;

FzLogQuery *fz_log_query_new (void); /* every line */
FzLogQuery *fz_log_query_copy (const FzLogQuery *self);
void fz_log_query_free (FzLogQuery *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzLogQuery, fz_log_query_free)

void fz_log_query_set_text (FzLogQuery *self, const char *text);
void fz_log_query_set_target_prefix (FzLogQuery *self, const char *prefix);
bool fz_log_query_is_all (const FzLogQuery *self);
bool fz_log_query_equal (const FzLogQuery *a, const FzLogQuery *b);

/**
 * fz_log_query_run:
 * @first: line to begin with
 * @end: one past the last, at most the index's n_lines
 * @out: array of uint32_t, which gets the matching lines appended
 * @error: G_IO_ERROR_CANCELLED, or a failed read; @out then holds a part
 */
bool fz_log_query_run (const FzLogQuery *self,
                       FzLogIndex *index,
                       uint32_t first,
                       uint32_t end,
                       GCancellable *cancellable,
                       GArray *out,
                       GError **error);

/* For one line, whatever its place; @buffer: scratch. */
bool fz_log_query_matches (const FzLogQuery *self,
                           const FzLogIndex *index,
                           uint32_t line,
                           GString *buffer);

#define FZ_LOG_NO_ROW UINT32_MAX

/**
 * fz_log_rows_find_level:
 * @rows: (nullable): array of line numbers; NULL: all lines of @index
 * @row: where to start; the search begins beside it. FZ_LOG_NO_ROW: from the respective end
 * @step: 1 or -1
 * @least: this level or worse; unknown levels do not count
 *
 * Returns: the row (not the line), or FZ_LOG_NO_ROW
 */
uint32_t fz_log_rows_find_level (
    const FzLogIndex *index, const GArray *rows, uint32_t row, int step, FzLogLevel least);

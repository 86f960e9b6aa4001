/* fz-log-filter-bar.h
 *
 * What a person wants to see of a log: text, and behind a button level, target
 * and time. Emits "changed" () when fz_log_filter_bar_get_query() says
 * something else.
 */
#pragma once

#include "src/logfile/fz-log-query.h"

#include <adwaita.h>

#define FZ_TYPE_LOG_FILTER_BAR (fz_log_filter_bar_get_type ())
G_DECLARE_FINAL_TYPE (FzLogFilterBar, fz_log_filter_bar, FZ, LOG_FILTER_BAR, AdwBin)

const FzLogQuery *fz_log_filter_bar_get_query (FzLogFilterBar *self);

/* The spans of time are counted from the newest line. */
void fz_log_filter_bar_set_last_time (FzLogFilterBar *self, int64_t time_us);

void fz_log_filter_bar_clear (FzLogFilterBar *self);
void fz_log_filter_bar_focus_search (FzLogFilterBar *self);

/* Where room is scarce, the filters are behind their button until asked for; those in force show.
 */
void fz_log_filter_bar_set_compact (FzLogFilterBar *self, bool is_compact);

/* Keys typed in @widget begin a search. */
void fz_log_filter_bar_capture_keys (FzLogFilterBar *self, GtkWidget *widget);

/* fz-log-columns.h
 *
 * The columns of the log: how a row's time, level, target and message look and
 * what a screen reader says of it. Where the window is narrow, the target's
 * column goes and time and level shrink; the row's name still says it all.
 */
#pragma once

#include "src/app/log/fz-log-model.h"

#include <gtk/gtk.h>

#define FZ_LOG_COLUMNS 4u

typedef struct FzLogColumns FzLogColumns;

typedef struct {
  const FzLogColumns *all;
  GtkColumnViewColumn *column; /* borrowed from the view */
  void (*show) (const FzLogColumns *all, GtkListItem *item);
} FzLogColumn;

struct FzLogColumns {
  FzLogColumn columns[FZ_LOG_COLUMNS];
  bool is_narrow;
};

/* Puts the columns into @view. @out lives as long as @view. */
void fz_log_columns_init (FzLogColumns *out, GtkColumnView *view);

/* Rows on the screen are made anew. */
void fz_log_columns_set_narrow (FzLogColumns *self, bool is_narrow);

/* Shape and word of a level; FZ_LOG_LEVEL_UNKNOWN has its own. The word is translated. */
const char *fz_log_level_icon (uint8_t level);
const char *fz_log_level_word (uint8_t level);
const char *fz_log_level_style (uint8_t level); /* style class, NULL for none */

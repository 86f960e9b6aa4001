/* fz-log-list.h
 *
 * What a GtkColumnView of GTK 4.8 keeps to itself: the list inside it has the
 * action of scrolling, the keyboard focus, and no name for a screen reader.
 *
 * Belongs to the widget that owns the view; cleared in its dispose.
 */
#pragma once

#include <gtk/gtk.h>
#include <stdbool.h>

#define FZ_LOG_LIST_END UINT32_MAX

/* Where a row is on the screen. */
typedef struct {
  guint row;
  double y; /* px from the top of what can be seen to the row's own; negative: partly above */
} FzLogListPlace;

typedef struct {
  GtkColumnView *view;                  /* borrowed */
  GtkWidget *inner;                     /* borrowed: the list inside */
  guint tick_id;                        /* 0: no jump is due */
  guint row;                            /* FZ_LOG_LIST_END: the last one there is by then */
  guint n_frames;                       /* to wait */
  void (*prepare) (gpointer user_data); /* before each of them; may change how much is shown */
  gpointer user_data;

  GdkFrameClock *clock; /* NULL: no row is to be placed */
  gulong layout_id;     /* on it */
  FzLogListPlace place; /* that is due */
  double placed_px; /* where that was in the list; the person has scrolled if we are not there */
} FzLogList;

void fz_log_list_init (FzLogList *self,
                       GtkColumnView *view,
                       void (*prepare) (gpointer user_data),
                       gpointer user_data);
void fz_log_list_clear (FzLogList *self);

/* Shows @row as soon as that can be done. */
void fz_log_list_scroll_to (FzLogList *self, guint row);

/* Of the first row on the screen. */
FzLogListPlace fz_log_list_get_top (const FzLogList *self);

/* Where @row is; false if it is not on the screen. */
bool fz_log_list_find (const FzLogList *self, guint row, FzLogListPlace *out);

/**
 * fz_log_list_set_place:
 *
 * Puts a row where it shall be, as far as there are rows to scroll over. To be called when the
 * model has changed: the next frame shows the new rows at their place.
 */
void fz_log_list_set_place (FzLogList *self, FzLogListPlace place);

/* Whether somebody scrolled since. */
bool fz_log_list_was_scrolled (const FzLogList *self);

/* Gives the rows the keys, unless one of them has them. */
void fz_log_list_focus (FzLogList *self);

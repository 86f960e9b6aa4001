/* fz-log-list.h
 *
 * What a GtkColumnView of GTK 4.8 keeps to itself: the list inside it has the
 * action of scrolling, the keyboard focus, and no name for a screen reader.
 *
 * Belongs to the widget that owns the view; cleared in its dispose.
 */
#pragma once

#include <gtk/gtk.h>

#define FZ_LOG_LIST_END UINT32_MAX

typedef struct {
  GtkColumnView *view;                  /* borrowed */
  GtkWidget *inner;                     /* borrowed: the list inside */
  guint tick_id;                        /* 0: no jump is due */
  guint row;                            /* FZ_LOG_LIST_END: the last one there is by then */
  guint n_frames;                       /* to wait */
  void (*prepare) (gpointer user_data); /* before each of them; may change how much is shown */
  gpointer user_data;
} FzLogList;

void fz_log_list_init (FzLogList *self,
                       GtkColumnView *view,
                       void (*prepare) (gpointer user_data),
                       gpointer user_data);
void fz_log_list_clear (FzLogList *self);

/* Shows @row as soon as that can be done. */
void fz_log_list_scroll_to (FzLogList *self, guint row);

/* Gives the rows the keys, unless one of them has them. */
void fz_log_list_focus (FzLogList *self);

/* fz-shown-pages.c: see fz-shown-pages.h */
#include "src/app/fz-shown-pages.h"

#include <adwaita.h>

static void
tell (GtkWidget *page)
{
  gtk_accessible_update_state (
      GTK_ACCESSIBLE (page), GTK_ACCESSIBLE_STATE_HIDDEN, !gtk_widget_get_mapped (page), -1);
}

static void
follow_page (GtkWidget *page)
{
  /* After GTK's own handlers: these map and unmap. */
  g_signal_connect_after (page, "map", G_CALLBACK (tell), NULL);
  g_signal_connect_after (page, "unmap", G_CALLBACK (tell), NULL);
  tell (page);
}

void
fz_shown_pages_follow (GtkWidget *root)
{
  bool has_pages = GTK_IS_STACK (root) || ADW_IS_VIEW_STACK (root) || ADW_IS_LEAFLET (root) ||
                   ADW_IS_SQUEEZER (root);

  for (GtkWidget *child = gtk_widget_get_first_child (root); child != NULL;
       child = gtk_widget_get_next_sibling (child)) {
    if (has_pages)
      follow_page (child);
    fz_shown_pages_follow (child);
  }
}

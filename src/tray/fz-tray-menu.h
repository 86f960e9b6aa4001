/* fz-tray-menu.h
 *
 * One GtkMenu that follows a remote menu and its actions. It is made once and
 * changed item by item: a panel keeps it open and keeps the ids of its rows
 * (measured: a new menu per change closes it, a GtkMenu bound to the model turns
 * every row into a check mark).
 */
#pragma once

#include <gio/gio.h>
#include <gtk/gtk.h>

typedef struct FzTrayMenu FzTrayMenu;

/* @on_start: "Start Firezone" was clicked; @on_quit: "Quit" while the app is away */
FzTrayMenu *fz_tray_menu_new (GCallback on_start, GCallback on_quit, gpointer user_data);
void fz_tray_menu_free (FzTrayMenu *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzTrayMenu, fz_tray_menu_free)

GtkMenu *fz_tray_menu_get_widget (FzTrayMenu *self); /* owned by the menu */

/* Follows these from now on; NULL for both: the app is away. */
void fz_tray_menu_set_source (FzTrayMenu *self, GMenuModel *model, GActionGroup *actions);

/* fz-menu-mirror.h
 *
 * One GtkMenu that follows a remote menu and its actions. It is made once and
 * changed item by item: a panel keeps it open and keeps the ids of its rows
 * (measured: a new menu per change closes it, a GtkMenu bound to the model turns
 * every row into a check mark).
 */
#pragma once

#include <gio/gio.h>
#include <gtk/gtk.h>

typedef struct FzMenuMirror FzMenuMirror;

/* @on_start: "Start Firezone" was clicked; @on_quit: "Quit" while the app is away */
FzMenuMirror *fz_menu_mirror_new (GCallback on_start, GCallback on_quit, gpointer user_data);
void fz_menu_mirror_free (FzMenuMirror *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMenuMirror, fz_menu_mirror_free)

GtkMenu *fz_menu_mirror_get_widget (FzMenuMirror *self); /* owned by the menu */

/* Follows these from now on; NULL for both: the app is away. */
void fz_menu_mirror_set_source (FzMenuMirror *self, GMenuModel *model, GActionGroup *actions);

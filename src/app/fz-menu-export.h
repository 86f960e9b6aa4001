/* fz-menu-export.h
 *
 * A menu on the bus as org.gtk.Menus, as the tray reads it. In place of GLib's exporter, which at
 * 2.74 loses count of subscriptions to groups that come to be after somebody has asked for them,
 * and then ends the process by an assertion: any program of the session could do that to the app.
 *
 * Keeps no list of who subscribes: every change is told to all, so nothing that a caller says is
 * remembered, and there is nothing to exhaust. Numbers of groups follow from their places in the
 * menu, so that a menu that was built anew changes only where it says something else. Main thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef struct FzMenuExport FzMenuExport;

/**
 * fz_menu_export_new:
 * @bus: connection to export on
 * @path: object path
 * @error: G_IO_ERROR_EXISTS if @path has a menu already
 *
 * Exports a menu without items. Do so before the process takes its name on the bus: who finds no
 * menu when it asks for the first time does not ask again.
 *
 * Returns: (transfer full): NULL with @error; leaves the bus with fz_menu_export_free()
 */
FzMenuExport *fz_menu_export_new (GDBusConnection *bus, const char *path, GError **error);

void fz_menu_export_free (FzMenuExport *self);

/* From now on the menu says what @menu says at this moment; readers are told the difference. */
void fz_menu_export_show (FzMenuExport *self, GMenuModel *menu);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzMenuExport, fz_menu_export_free)

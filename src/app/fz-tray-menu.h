/* fz-tray-menu.h
 *
 * The menu that the tray shows, exported at /dev/firezone/Client/menus/tray on the session bus; its
 * items are actions of the application. Built anew only when what it says has changed. Main thread.
 */
#pragma once

#include "src/app/fz-account.h"

#define FZ_TRAY_MENU_RESOURCES_MAX 10u

#define FZ_TYPE_TRAY_MENU (fz_tray_menu_get_type ())
G_DECLARE_FINAL_TYPE (FzTrayMenu, fz_tray_menu, FZ, TRAY_MENU, GObject)

FzTrayMenu *fz_tray_menu_new (FzTunnelModel *tunnel, FzAccount *account);

/* (transfer none) */
GMenuModel *fz_tray_menu_get_model (FzTrayMenu *self);

/* False if @bus has such a menu already. Until @self goes. */
bool fz_tray_menu_export (FzTrayMenu *self, GDBusConnection *bus, GError **error);

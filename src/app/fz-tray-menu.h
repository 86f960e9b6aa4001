/* fz-tray-menu.h
 *
 * The menu that the tray shows, exported at /dev/firezone/Client/menus/tray on the session bus by
 * the application; its items are actions of the application. Built anew only when what it says has
 * changed. Main thread.
 */
#pragma once

#include "src/app/fz-account.h"
#include "src/app/fz-menu-export.h"

#define FZ_TRAY_MENU_RESOURCES_MAX 10u

#define FZ_TYPE_TRAY_MENU (fz_tray_menu_get_type ())
G_DECLARE_FINAL_TYPE (FzTrayMenu, fz_tray_menu, FZ, TRAY_MENU, GObject)

/* @exported: (nullable): what the tray reads; must live longer than the menu */
FzTrayMenu *fz_tray_menu_new (FzTunnelModel *tunnel, FzAccount *account, FzMenuExport *exported);

/* (transfer none) */
GMenuModel *fz_tray_menu_get_model (FzTrayMenu *self);

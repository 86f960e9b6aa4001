/* fz-application.h
 *
 * The process: one instance per session at dev.firezone.Client, what it is made of, its command
 * line, and what it opens: sign-in links go to the account, JSONL files to the log pane. Closing
 * the window leaves the process (and the tunnel) as they are; the action "quit" disconnects first.
 *
 * Its actions (fz-actions.c) are the buttons that window, tray, shortcuts, scripts and tests all
 * press; on the session bus they are org.gtk.Actions at /dev/firezone/Client. src/app/README.md
 * lists them.
 */
#pragma once

#include "src/app/fz-account.h"
#include "src/app/fz-notifier.h"
#include "src/app/fz-tunnel-model.h"

#include <adwaita.h>

#define FZ_APPLICATION_ID "dev.firezone.Client"

#define FZ_TYPE_APPLICATION (fz_application_get_type ())
G_DECLARE_FINAL_TYPE (FzApplication, fz_application, FZ, APPLICATION, AdwApplication)

FzApplication *fz_application_new (void);

/* All (transfer none), there from "startup" on. */
FzTunnelModel *fz_application_get_tunnel (FzApplication *self);
FzAccount *fz_application_get_account (FzApplication *self);
GSettings *fz_application_get_settings (FzApplication *self);
FzNotifier *fz_application_get_notifier (FzApplication *self);

/* Whether a panel shows our tray icon, as the tray says. */
bool fz_application_has_tray (FzApplication *self);
void fz_application_set_tray (FzApplication *self, bool is_shown);

/* Disconnects, then ends the process. */
void fz_application_leave (FzApplication *self);

/* (transfer none): the window, made if there is none; not yet presented. */
GtkWindow *fz_application_ensure_window (FzApplication *self);

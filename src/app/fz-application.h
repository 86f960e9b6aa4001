/* fz-application.h
 *
 * The process: one instance per session at dev.firezone.Client, its actions (the buttons that
 * window, tray, shortcuts, scripts and tests all press), its command line, what it opens, and who
 * it is made of.
 */
#pragma once

#include "src/app/fz-tunnel-model.h"

#include <adwaita.h>

#define FZ_APPLICATION_ID "dev.firezone.Client"

#define FZ_TYPE_APPLICATION (fz_application_get_type ())
G_DECLARE_FINAL_TYPE (FzApplication, fz_application, FZ, APPLICATION, AdwApplication)

FzApplication *fz_application_new (void);

/* (transfer none) */
FzTunnelModel *fz_application_get_tunnel (FzApplication *self);

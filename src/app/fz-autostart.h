/* fz-autostart.h
 *
 * Whether the desktop starts us with the session: a file in the person's autostart folder, or in a
 * sandbox the Background portal's word. Main thread.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* Makes it so. @error: GIO's. The portal is asked without waiting for its answer. */
bool fz_autostart_set (bool on, GError **error);

/* (transfer full): path of the file outside a sandbox. */
char *fz_autostart_dup_path (void);

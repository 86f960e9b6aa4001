/* fz-settings-page.h
 *
 * The person's choices. What an administrator has fixed (by dconf, or in the service's
 * configuration) shows the value in force, cannot be changed, and says who fixed it.
 */
#pragma once

#include "src/app/fz-tunnel-model.h"

#include <adwaita.h>

#define FZ_TYPE_SETTINGS_PAGE (fz_settings_page_get_type ())
G_DECLARE_FINAL_TYPE (FzSettingsPage, fz_settings_page, FZ, SETTINGS_PAGE, AdwBin)

/* Once, after the template made it. */
void fz_settings_page_follow (FzSettingsPage *self, FzTunnelModel *tunnel, GSettings *settings);

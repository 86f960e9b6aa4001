/* fz-settings.h
 *
 * What the person chose and what an administrator fixed, as one answer: a value of the service's
 * Managed wins over GSettings, and a key that dconf locks cannot be written. Main thread.
 */
#pragma once

#include "src/app/fz-tunnel-model.h"

#include <gio/gio.h>

/* NULL if the schema is not installed: without it nothing can be stored. */
GSettings *fz_settings_new (void);

/* Whether an administrator has fixed @key. */
bool fz_settings_is_fixed (GSettings *settings, FzTunnelModel *tunnel, const char *key);

/* What holds now, of a text key. (transfer full) */
char *fz_settings_dup_text (GSettings *settings, FzTunnelModel *tunnel, const char *key);
bool fz_settings_get_switch (GSettings *settings, FzTunnelModel *tunnel, const char *key);

/* (transfer full): why @value cannot be one of "auth-url", "api-url", "account-slug"; NULL if it
 * can. For people. */
char *fz_settings_dup_objection (const char *key, const char *value);

/* fz-cli-settings.h
 *
 * The settings by name, wherever they live: a person's own in GSettings, shared with the app; the
 * service's at the service; and what an administrator has fixed, which wins.
 */
#pragma once

#include "src/cli/fz-cli.h"

/* The value in force: (transfer full) text; NULL: the name is unknown, or nothing says. Opens the
 * service only for what the service knows. @out_is_managed: (nullable): an administrator fixed it.
 */
char *fz_cli_settings_get (FzCli *cli, const char *name, bool *out_is_managed);

/* What the person, or the administrator, has chosen; NULL where only a default would answer. */
char *fz_cli_settings_get_chosen (FzCli *cli, const char *name);

/* All names; ends with NULL. */
const char *const *fz_cli_settings_get_names (void);

/* FZ_CLI_OK, or another after words. */
int fz_cli_settings_set (FzCli *cli, const char *name, const char *value);

#define G_SETTINGS_ENABLE_BACKEND /* to see whether there is one that keeps anything */

#include "src/cli/fz-cli-settings.h"

#include "src/cli/fz-cli-service.h"

#include <gio/gsettingsbackend.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA "dev.firezone.Client"

typedef enum {
  OF_PERSON_TEXT,
  OF_PERSON_SWITCH,
  OF_SERVICE,
} Kind;

static const struct {
  const char *name;
  Kind kind;
} rows[] = {
  { "account-slug", OF_PERSON_TEXT },
  { "api-url", OF_PERSON_TEXT },
  { "auth-url", OF_PERSON_TEXT },
  { "connect-on-start", OF_PERSON_SWITCH },
  { "internet-resource", OF_SERVICE },
  { "log-filter", OF_SERVICE },
  { "notifications", OF_PERSON_SWITCH },
  { "notify-connected", OF_PERSON_SWITCH },
  { "start-with-session", OF_PERSON_SWITCH },
};

const char *const *
fz_cli_settings_get_names (void)
{
  static const char *names[G_N_ELEMENTS (rows) + 1];

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    names[i] = rows[i].name;
  return names;
}

static int
find_kind (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strcmp (rows[i].name, name) == 0)
      return (int) rows[i].kind;
  return -1;
}

/* NULL where the app is not installed. */
static GSettings *
open_settings (void)
{
  GSettingsSchemaSource *source = g_settings_schema_source_get_default ();
  g_autoptr (GSettingsSchema) schema =
      source != NULL ? g_settings_schema_source_lookup (source, SCHEMA, TRUE) : NULL;

  return schema != NULL ? g_settings_new (SCHEMA) : NULL;
}

/* -- reading -- */

/* What /etc/firezone/client.conf says; NULL: nothing, or the service is not there to ask. */
static char *
get_managed (FzCli *cli, const char *name)
{
  GVariant *managed = cli->manager != NULL ? fz_tunnel1_manager_get_managed (cli->manager) : NULL;
  g_autoptr (GVariant) value =
      managed != NULL ? g_variant_lookup_value (managed, name, NULL) : NULL;

  if (value == NULL)
    return NULL;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  return g_variant_print (value, FALSE);
}

static char *
to_text (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  return g_variant_print (value, FALSE);
}

static char *
get_service_value (FzCli *cli, const char *name)
{
  if (cli->manager == NULL)
    return NULL;
  if (strcmp (name, "log-filter") == 0)
    return g_strdup (fz_tunnel1_manager_get_log_filter (cli->manager));
  return g_strdup (fz_tunnel1_manager_get_internet_resource (cli->manager));
}

char *
fz_cli_settings_get (FzCli *cli, const char *name, bool *out_is_managed)
{
  int kind = find_kind (name);
  g_autofree char *managed = kind >= 0 ? get_managed (cli, name) : NULL;
  g_autoptr (GSettings) settings = NULL;
  g_autoptr (GVariant) value = NULL;

  if (out_is_managed != NULL)
    *out_is_managed = managed != NULL;
  if (kind == OF_SERVICE)
    return get_service_value (cli, name); /* in force; a managed filter is in force too */
  if (managed != NULL)
    return g_steal_pointer (&managed);
  settings = kind >= 0 ? open_settings () : NULL;
  if (settings == NULL)
    return NULL;
  if (out_is_managed != NULL)
    *out_is_managed = !g_settings_is_writable (settings, name);
  value = g_settings_get_value (settings, name);
  return to_text (value);
}

char *
fz_cli_settings_get_chosen (FzCli *cli, const char *name)
{
  g_autofree char *managed = get_managed (cli, name);
  g_autoptr (GSettings) settings = NULL;
  g_autoptr (GVariant) value = NULL;

  if (managed != NULL)
    return g_steal_pointer (&managed);
  settings = open_settings ();
  if (settings == NULL)
    return NULL;
  if (g_settings_is_writable (settings, name))
    value = g_settings_get_user_value (settings, name);
  else
    value = g_settings_get_value (settings, name); /* locked by an administrator */
  return value != NULL ? to_text (value) : NULL;
}

/* -- writing -- */

static bool
keeps_settings (void)
{
  g_autoptr (GSettingsBackend) backend = g_settings_backend_get_default ();

  return strcmp (G_OBJECT_TYPE_NAME (backend), "GMemorySettingsBackend") != 0 ||
         g_getenv ("GSETTINGS_BACKEND") != NULL; /* somebody knows what they do */
}

static int
parse_switch (const char *value)
{
  static const char *const on[] = { "true", "on", "yes", "1", NULL };
  static const char *const off[] = { "false", "off", "no", "0", NULL };

  if (g_strv_contains (on, value))
    return 1;
  return g_strv_contains (off, value) ? 0 : -1;
}

static int
set_at_service (FzCli *cli, const char *name, const char *value)
{
  int is_on = parse_switch (value);

  if (strcmp (name, "log-filter") == 0)
    return fz_cli_service_do (cli, "Diagnostics.SetLogFilter", g_variant_new ("(s)", value));
  if (is_on < 0)
    return fz_cli_usage (cli, _ ("%s is on or off, not \"%s\""), name, value);
  return fz_cli_service_do (cli, "Manager.SetInternetResource", g_variant_new ("(b)", is_on == 1));
}

static int
set_of_person (FzCli *cli, const char *name, Kind kind, const char *value)
{
  g_autoptr (GSettings) settings = open_settings ();
  int is_on = parse_switch (value);

  if (kind == OF_PERSON_SWITCH && is_on < 0)
    return fz_cli_usage (cli, _ ("%s is on or off, not \"%s\""), name, value);
  if (settings == NULL || !keeps_settings ()) {
    fputs (_ ("firezone: personal settings cannot be kept: the app's settings or dconf are not "
              "installed. Options of sign-in do the same for one time.\n"),
           stderr);
    return FZ_CLI_ERROR;
  }
  if (kind == OF_PERSON_SWITCH)
    g_settings_set_boolean (settings, name, is_on == 1);
  else
    g_settings_set_string (settings, name, value);
  g_settings_sync ();
  return FZ_CLI_OK;
}

int
fz_cli_settings_set (FzCli *cli, const char *name, const char *value)
{
  int kind = find_kind (name);
  bool is_managed = false;
  g_autofree char *now = fz_cli_settings_get (cli, name, &is_managed);

  if (kind < 0)
    return fz_cli_usage (
        cli, _ ("there is no setting \"%s\"; \"firezone config get\" lists them"), name);
  if (kind == OF_SERVICE)
    return set_at_service (cli, name, value);
  if (is_managed) {
    fprintf (stderr, _ ("firezone: %s is managed by your organization: %s\n"), name, now);
    return FZ_CLI_NOT_AUTHORIZED;
  }
  return set_of_person (cli, name, (Kind) kind, value);
}

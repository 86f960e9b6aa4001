/* fz-settings.c: see fz-settings.h */
#include "src/app/fz-settings.h"

#include <glib/gi18n.h>

#define SCHEMA_ID "dev.firezone.Client"

GSettings *
fz_settings_new (void)
{
  GSettingsSchemaSource *source = g_settings_schema_source_get_default ();
  g_autoptr (GSettingsSchema) schema =
      source != NULL ? g_settings_schema_source_lookup (source, SCHEMA_ID, TRUE) : NULL;

  return schema != NULL ? g_settings_new_full (schema, NULL, NULL) : NULL;
}

bool
fz_settings_is_fixed (GSettings *settings, FzTunnelModel *tunnel, const char *key)
{
  g_autoptr (GVariant) managed = fz_tunnel_model_dup_managed (tunnel, key);

  return managed != NULL || !g_settings_is_writable (settings, key);
}

char *
fz_settings_dup_text (GSettings *settings, FzTunnelModel *tunnel, const char *key)
{
  g_autoptr (GVariant) managed = fz_tunnel_model_dup_managed (tunnel, key);

  if (managed != NULL && g_variant_is_of_type (managed, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (managed, NULL);
  return g_settings_get_string (settings, key);
}

bool
fz_settings_get_switch (GSettings *settings, FzTunnelModel *tunnel, const char *key)
{
  g_autoptr (GVariant) managed = fz_tunnel_model_dup_managed (tunnel, key);

  if (managed != NULL && g_variant_is_of_type (managed, G_VARIANT_TYPE_BOOLEAN))
    return g_variant_get_boolean (managed);
  return g_settings_get_boolean (settings, key);
}

static bool
is_address (const char *value, const char *secure, const char *plain)
{
  g_autoptr (GUri) uri = g_uri_parse (value, G_URI_FLAGS_NONE, NULL);

  if (uri == NULL || g_uri_get_host (uri) == NULL || g_uri_get_host (uri)[0] == '\0')
    return false;
  return g_str_equal (g_uri_get_scheme (uri), secure) ||
         g_str_equal (g_uri_get_scheme (uri), plain);
}

char *
fz_settings_dup_objection (const char *key, const char *value)
{
  if (g_str_equal (key, "auth-url") && !is_address (value, "https", "http"))
    return g_strdup (_ ("Enter an address that begins with https://"));
  if (g_str_equal (key, "api-url") && !is_address (value, "wss", "ws"))
    return g_strdup (_ ("Enter an address that begins with wss://"));
  if (g_str_equal (key, "account-slug") && strpbrk (value, "/?#& \t") != NULL)
    return g_strdup (_ ("Enter the short name only, without slashes or spaces"));
  return NULL;
}

/* fz-autostart.c: see fz-autostart.h */
#include "src/app/fz-autostart.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define FILE_NAME "dev.firezone.Client.desktop"

char *
fz_autostart_dup_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "autostart", FILE_NAME, NULL);
}

/* As the desktop entry specification wants an argument: in double quotes, four characters escaped.
 */
static char *
quote (const char *argument)
{
  GString *quoted = g_string_new ("\"");

  for (const char *c = argument; *c != '\0'; c++) {
    if (strchr ("\"`$\\", *c) != NULL)
      g_string_append_c (quoted, '\\');
    g_string_append_c (quoted, *c);
  }
  g_string_append_c (quoted, '"');
  return g_string_free (quoted, FALSE);
}

static char *
make_entry (GError **error)
{
  g_autoptr (GKeyFile) entry = g_key_file_new ();
  g_autofree char *program = g_file_read_link ("/proc/self/exe", error);
  g_autofree char *quoted = NULL;
  g_autofree char *command = NULL;

  if (program == NULL)
    return NULL;
  quoted = quote (program);
  command = g_strconcat (quoted, " --background", NULL);
  g_key_file_set_string (entry, "Desktop Entry", "Type", "Application");
  g_key_file_set_string (entry, "Desktop Entry", "Name", "Firezone");
  g_key_file_set_string (entry, "Desktop Entry", "Icon", "dev.firezone.Client");
  g_key_file_set_string (entry, "Desktop Entry", "Exec", command);
  g_key_file_set_boolean (entry, "Desktop Entry", "X-GNOME-UsesNotifications", TRUE);
  return g_key_file_to_data (entry, NULL, NULL);
}

static bool
set_file (bool on, GError **error)
{
  g_autofree char *path = fz_autostart_dup_path ();
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *entry = NULL;

  if (!on) {
    g_autoptr (GFile) file = g_file_new_for_path (path);

    if (!g_file_test (path, G_FILE_TEST_EXISTS))
      return true;
    return g_file_delete (file, NULL, error);
  }
  entry = make_entry (error);
  if (entry == NULL)
    return false;
  (void) g_mkdir_with_parents (folder, 0700);
  return g_file_set_contents (path, entry, -1, error);
}

static bool
ask_portal (bool on, GError **error)
{
  const char *const command[] = { "firezone-client-gui", "--background", NULL };
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  GVariantBuilder options;

  if (bus == NULL)
    return false;
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "autostart", g_variant_new_boolean (on));
  g_variant_builder_add (&options, "{sv}", "commandline", g_variant_new_strv (command, -1));
  g_variant_builder_add (
      &options,
      "{sv}",
      "reason",
      g_variant_new_string (_ ("Firezone keeps you connected to private resources.")));
  g_dbus_connection_call (bus,
                          "org.freedesktop.portal.Desktop",
                          "/org/freedesktop/portal/desktop",
                          "org.freedesktop.portal.Background",
                          "RequestBackground",
                          g_variant_new ("(sa{sv})", "", &options),
                          NULL,
                          G_DBUS_CALL_FLAGS_NONE,
                          -1,
                          NULL,
                          NULL,
                          NULL);
  return true;
}

bool
fz_autostart_set (bool on, GError **error)
{
  if (g_file_test ("/.flatpak-info", G_FILE_TEST_EXISTS))
    return ask_portal (on, error);
  return set_file (on, error);
}

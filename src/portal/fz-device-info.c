/* fz-device-info.c
 *
 * Names of distributions are those upstream sends, for the portal shows them and
 * groups by them.
 */
#include "src/portal/fz-device-info.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define TEXT_MAX           255u /* characters; the portal's limit for every one of these */
#define SERIAL_PLACEHOLDER "123456789"

static char *
read_attribute (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  g_strstrip (text);
  if (*text == '\0' || strlen (text) > TEXT_MAX || !g_utf8_validate (text, -1, NULL))
    return NULL;
  return g_steal_pointer (&text);
}

void
fz_device_info_read (const char *directory, FzDeviceInfo *out)
{
  const char *from = directory != NULL ? directory : "/sys/class/dmi/id";

  out->serial = read_attribute (from, "product_serial");
  if (g_strcmp0 (out->serial, SERIAL_PLACEHOLDER) == 0)
    g_clear_pointer (&out->serial, g_free);
  out->uuid = read_attribute (from, "product_uuid");
}

void
fz_device_info_clear (FzDeviceInfo *self)
{
  g_clear_pointer (&self->serial, g_free);
  g_clear_pointer (&self->uuid, g_free);
}

char *
fz_device_info_dup_name (void)
{
  struct utsname names;

  if (uname (&names) == 0 && *names.nodename != '\0' && g_utf8_validate (names.nodename, -1, NULL))
    return g_strdup (names.nodename);
  return g_uuid_string_random ();
}

/* -- User-Agent -- */

/* Value of @key in an os-release text, without quotes. */
static char *
find_release_value (const char *os_release, const char *key)
{
  g_auto (GStrv) lines = g_strsplit (os_release != NULL ? os_release : "", "\n", 256);

  for (char **line = lines; *line != NULL; line++) {
    size_t length = strlen (key);

    if (strncmp (*line, key, length) == 0 && (*line)[length] == '=') {
      char *value = g_strstrip (g_strdup (*line + length + 1));
      size_t n = strlen (value);

      if (n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n - 1] == value[0]) {
        value[n - 1] = '\0';
        memmove (value, value + 1, n - 1);
      }
      return value;
    }
  }
  return NULL;
}

static const char *
display_name (const char *id)
{
  static const struct {
    const char *id;
    const char *name;
  } names[] = {
    { "almalinux", "AlmaLinux" },
    { "alpine", "Alpine Linux" },
    { "amzn", "Amazon Linux AMI" },
    { "arch", "Arch Linux" },
    { "centos", "CentOS" },
    { "debian", "Debian" },
    { "fedora", "Fedora" },
    { "linuxmint", "Linux Mint" },
    { "manjaro", "Manjaro" },
    { "nixos", "NixOS" },
    { "ol", "Oracle Linux" },
    { "opensuse-leap", "openSUSE" },
    { "opensuse-tumbleweed", "openSUSE" },
    { "pop", "Pop!_OS" },
    { "raspbian", "Raspberry Pi OS" },
    { "rhel", "Red Hat Enterprise Linux" },
    { "rocky", "Rocky Linux" },
    { "sles", "SUSE" },
    { "ubuntu", "Ubuntu" },
  };

  for (size_t i = 0; id != NULL && i < G_N_ELEMENTS (names); i++)
    if (strcmp (names[i].id, id) == 0)
      return names[i].name;
  return "Linux";
}

/* "12" becomes "12.0.0", "24.04" "24.4.0"; anything else goes as it is. */
static char *
display_version (const char *version, const char *id)
{
  unsigned major = 0, minor = 0, patch = 0;
  int used = 0;

  if (version == NULL || *version == '\0')
    return g_strdup (g_strcmp0 (id, "arch") == 0 ? "Rolling Release" : "Unknown");

  if ((sscanf (version, "%5u.%5u.%5u%n", &major, &minor, &patch, &used) == 3 ||
       sscanf (version, "%5u.%5u%n", &major, &minor, &used) == 2 ||
       sscanf (version, "%5u%n", &major, &used) == 1) &&
      version[used] == '\0')
    return g_strdup_printf ("%u.%u.%u", major, minor, patch);
  return g_strdup (version);
}

/* A header holds visible ASCII and spaces only. */
static void
drop_non_ascii (GString *text)
{
  size_t n = 0;

  for (size_t i = 0; i < text->len; i++)
    if (text->str[i] == ' ' || g_ascii_isgraph (text->str[i]))
      text->str[n++] = text->str[i];
  g_string_truncate (text, n);
}

char *
fz_user_agent_new (const char *component,
                   const char *os_release,
                   const char *architecture,
                   const char *kernel)
{
  g_autofree char *id = find_release_value (os_release, "ID");
  g_autofree char *version_id = find_release_value (os_release, "VERSION_ID");
  g_autofree char *version = display_version (version_id, id);
  GString *out = g_string_new (NULL);

  g_string_printf (out, "%s/%s %s", display_name (id), version, component);
  if (architecture != NULL && kernel != NULL)
    g_string_append_printf (out, " (%s; %s)", architecture, kernel);
  else if (architecture != NULL || kernel != NULL)
    g_string_append_printf (out, " (%s)", architecture != NULL ? architecture : kernel);
  drop_non_ascii (out);
  return g_string_free (out, FALSE);
}

char *
fz_user_agent_for_system (const char *component)
{
  g_autofree char *os_release = NULL;
  struct utsname names;
  bool has_names = uname (&names) == 0;

  if (!g_file_get_contents ("/etc/os-release", &os_release, NULL, NULL))
    g_file_get_contents ("/usr/lib/os-release", &os_release, NULL, NULL);
  return fz_user_agent_new (
      component, os_release, has_names ? names.machine : NULL, has_names ? names.release : NULL);
}

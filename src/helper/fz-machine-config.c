#include "src/helper/fz-machine-config.h"

#include "platform/fz-dns-control.h"
#include "src/base/fz-log-filter.h"
#include "src/runtime/fz-host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct FzMachineConfig {
  char *values[FZ_N_SETTINGS]; /* canonical; NULL: not fixed */
  bool was_bad[FZ_N_SETTINGS]; /* some file had a bad value for it */
  bool was_unreadable;         /* some file could not be read, so any may be missing */
  GArray *problems;
};

/* -- values: NULL if good, else what is wanted -- */

static bool
has_scheme (const char *value, const char *const *schemes)
{
  g_autofree char *scheme = g_uri_parse_scheme (value);
  g_autoptr (GUri) uri = g_uri_parse (value, G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;

  return scheme != NULL && g_strv_contains (schemes, scheme) && host != NULL && *host != '\0' &&
         g_uri_get_userinfo (uri) == NULL;
}

static const char *
check_api_url (const char *value)
{
  static const char *const schemes[] = { "wss", "ws", "https", "http", NULL };

  return has_scheme (value, schemes) ? NULL : "a URL such as wss://api.example.com/";
}

static const char *
check_auth_url (const char *value)
{
  static const char *const schemes[] = { "https", "http", NULL };

  return has_scheme (value, schemes) ? NULL : "a URL such as https://app.example.com";
}

static const char *
check_slug (const char *value)
{
  for (const char *c = value; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && *c != '-' && *c != '_')
      return "letters, digits, '-' and '_'";
  return *value != '\0' && strlen (value) <= 100 ? NULL : "1 to 100 characters";
}

static const char *
check_boolean (const char *value)
{
  return g_str_equal (value, "true") || g_str_equal (value, "false") ? NULL : "true or false";
}

static const char *
check_owner_leaves (const char *value)
{
  return g_str_equal (value, "disconnect") || g_str_equal (value, "keep") ? NULL
                                                                          : "disconnect or keep";
}

static const char *
check_dns_control (const char *value)
{
  FzDnsMode mode;

  return fz_dns_mode_parse (value, &mode)
             ? NULL
             : "auto, systemd-resolved, networkmanager, resolvconf, etc-resolv-conf or disabled";
}

_Static_assert(FZ_HOST_LANES_MAX == 8, "as the text below says");

static const char *
check_lanes (const char *value)
{
  return g_ascii_string_to_unsigned (value, 10, 1, FZ_HOST_LANES_MAX, NULL, NULL)
             ? NULL
             : "a number from 1 to 8";
}

static const char *
check_log_filter (const char *value)
{
  FzLogFilter filter;

  return fz_log_filter_parse (value, &filter, NULL) ? NULL : "a filter such as info,ice=debug";
}

static const struct {
  const char *group;
  const char *key;
  const char *(*check) (const char *value);
  bool concerns_people; /* named in Managed */
} settings[FZ_N_SETTINGS] = {
  [FZ_SETTING_API_URL] = { "portal", "api-url", check_api_url, true },
  [FZ_SETTING_AUTH_URL] = { "portal", "auth-url", check_auth_url, true },
  [FZ_SETTING_ACCOUNT_SLUG] = { "portal", "account-slug", check_slug, true },
  [FZ_SETTING_CONNECT_ON_START] = { "session", "connect-on-start", check_boolean, true },
  [FZ_SETTING_WHEN_OWNER_LEAVES] = { "session", "when-owner-leaves", check_owner_leaves, false },
  [FZ_SETTING_DNS_CONTROL] = { "dns", "dns-control", check_dns_control, false },
  [FZ_SETTING_LANES] = { "tunnel", "lanes", check_lanes, false },
  [FZ_SETTING_LOG_FILTER] = { "log", "log-filter", check_log_filter, true },
};

const char *
fz_setting_name (FzSetting setting)
{
  return settings[setting].key;
}

/* -- problems -- */

static void
clear_problem (gpointer data)
{
  g_free (((FzConfigProblem *) data)->text);
}

static void G_GNUC_PRINTF (3, 4)
    complain (FzMachineConfig *self, bool is_error, const char *format, ...)
{
  FzConfigProblem problem = { .is_error = is_error };
  va_list arguments;

  if (self->problems->len >= FZ_MACHINE_CONFIG_WORRY_MAX)
    return;
  va_start (arguments, format);
  problem.text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_array_append_val (self->problems, problem);
}

/* -- one file -- */

/* -1: no such setting */
static int
find_setting (const char *group, const char *key)
{
  for (int i = 0; i < FZ_N_SETTINGS; i++)
    if (g_str_equal (settings[i].group, group) && g_str_equal (settings[i].key, key))
      return i;
  return -1;
}

static const char *
group_of_key (const char *key)
{
  for (int i = 0; i < FZ_N_SETTINGS; i++)
    if (g_str_equal (settings[i].key, key))
      return settings[i].group;
  return NULL;
}

static void
take_value (FzMachineConfig *self, const char *path, int i, char *owned)
{
  g_autofree char *value = g_strstrip (owned);
  const char *wanted =
      strlen (value) > FZ_MACHINE_CONFIG_TEXT_MAX ? "something shorter" : settings[i].check (value);

  if (wanted == NULL) {
    g_free (self->values[i]);
    self->values[i] = g_steal_pointer (&value);
    return;
  }
  self->was_bad[i] = true;
  complain (self,
            true,
            "%s: [%s] %s: “%.100s” is not %s",
            path,
            settings[i].group,
            settings[i].key,
            value,
            wanted);
}

static void
complain_unknown (FzMachineConfig *self, const char *path, const char *group, const char *key)
{
  const char *right = group_of_key (key);

  if (right != NULL)
    complain (self, false, "%s: [%s] %s: ignored, it belongs into [%s]", path, group, key, right);
  else
    complain (self, false, "%s: [%s] %s: unknown, ignored", path, group, key);
}

static void
take_group (FzMachineConfig *self, const char *path, GKeyFile *file, const char *group)
{
  g_auto (GStrv) keys = g_key_file_get_keys (file, group, NULL, NULL);

  for (char **key = keys; key != NULL && *key != NULL; key++) {
    int i = find_setting (group, *key);
    g_autoptr (GError) error = NULL;
    char *value;

    if (i < 0) {
      complain_unknown (self, path, group, *key);
      continue;
    }
    value = g_key_file_get_string (file, group, *key, &error);
    if (value != NULL) {
      take_value (self, path, i, value);
    } else {
      self->was_bad[i] = true;
      complain (self, true, "%s: [%s] %s: %s", path, group, *key, error->message);
    }
  }
}

/* A regular file of bearable size. NULL: a problem, or @is_optional and not there. */
static char *
read_text (FzMachineConfig *self, const char *path, bool is_optional, size_t *out_length)
{
  g_autofree char *text = g_malloc (FZ_MACHINE_CONFIG_BYTES_MAX + 1);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat info = { 0 };
  size_t n = 0;
  ssize_t got = 0;

  if (fd < 0 && errno == ENOENT && is_optional)
    return NULL;
  if (fd < 0 || fstat (fd, &info) < 0) {
    complain (self, true, "%s: cannot be read: %s", path, g_strerror (errno));
  } else if (!S_ISREG (info.st_mode)) {
    complain (self, true, "%s: is not a file", path);
  } else {
    if ((info.st_mode & S_IWOTH) != 0)
      complain (self, false, "%s: everybody may write it; run chmod o-w on it", path);
    do {
      got = read (fd, text + n, FZ_MACHINE_CONFIG_BYTES_MAX + 1 - n);
      n += got > 0 ? (size_t) got : 0;
    } while (got > 0 && n <= FZ_MACHINE_CONFIG_BYTES_MAX);
    close (fd);
    if (got >= 0 && n <= FZ_MACHINE_CONFIG_BYTES_MAX) {
      *out_length = n;
      return g_steal_pointer (&text);
    }
    complain (self, true, "%s: is longer than %u bytes", path, FZ_MACHINE_CONFIG_BYTES_MAX);
    fd = -1;
  }
  if (fd >= 0)
    close (fd);
  self->was_unreadable = true;
  return NULL;
}

static void
read_file (FzMachineConfig *self, const char *path, bool is_optional)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) groups = NULL;
  size_t length = 0;
  g_autofree char *text = read_text (self, path, is_optional, &length);

  if (text == NULL)
    return;
  if (length > 0 && !g_key_file_load_from_data (file, text, length, G_KEY_FILE_NONE, &error)) {
    self->was_unreadable = true;
    complain (self, true, "%s: %s", path, error->message);
    return;
  }
  groups = g_key_file_get_groups (file, NULL);
  for (char **group = groups; *group != NULL; group++)
    take_group (self, path, file, *group);
}

/* -- all files -- */

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
read_drop_ins (FzMachineConfig *self, const char *folder)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".conf") && *name != '.')
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, by_name);
  if (names->len > FZ_MACHINE_CONFIG_FILES_MAX)
    complain (self, true, "%s: more than %u files", folder, FZ_MACHINE_CONFIG_FILES_MAX);
  for (guint i = 0; i < MIN (names->len, FZ_MACHINE_CONFIG_FILES_MAX); i++) {
    g_autofree char *path = g_build_filename (folder, g_ptr_array_index (names, i), NULL);

    read_file (self, path, false);
  }
}

static void
keep_last_good (FzMachineConfig *self, const FzMachineConfig *previous)
{
  for (int i = 0; i < FZ_N_SETTINGS; i++) {
    bool is_lost = self->was_bad[i] || (self->was_unreadable && self->values[i] == NULL);

    if (is_lost && previous->values[i] != NULL) {
      g_free (self->values[i]);
      self->values[i] = g_strdup (previous->values[i]);
    }
  }
}

FzMachineConfig *
fz_machine_config_load (const char *path, const FzMachineConfig *previous)
{
  FzMachineConfig *self = g_new0 (FzMachineConfig, 1);
  g_autofree char *folder = g_strconcat (path, ".d", NULL);

  self->problems = g_array_new (FALSE, FALSE, sizeof (FzConfigProblem));
  g_array_set_clear_func (self->problems, clear_problem);
  read_file (self, path, true);
  read_drop_ins (self, folder);
  if (previous != NULL)
    keep_last_good (self, previous);
  return self;
}

void
fz_machine_config_free (FzMachineConfig *self)
{
  if (self == NULL)
    return;
  for (int i = 0; i < FZ_N_SETTINGS; i++)
    g_free (self->values[i]);
  g_array_unref (self->problems);
  g_free (self);
}

const char *
fz_machine_config_get (const FzMachineConfig *self, FzSetting setting)
{
  return self->values[setting];
}

bool
fz_machine_config_keeps_when_owner_leaves (const FzMachineConfig *self)
{
  return g_strcmp0 (self->values[FZ_SETTING_WHEN_OWNER_LEAVES], "keep") == 0;
}

const FzConfigProblem *
fz_machine_config_get_problems (const FzMachineConfig *self, size_t *out_n)
{
  *out_n = self->problems->len;
  return (const FzConfigProblem *) (const void *) self->problems->data;
}

bool
fz_machine_config_is_valid (const FzMachineConfig *self)
{
  for (guint i = 0; i < self->problems->len; i++)
    if (g_array_index (self->problems, FzConfigProblem, i).is_error)
      return false;
  return true;
}

GVariant *
fz_machine_config_to_managed (const FzMachineConfig *self)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  for (int i = 0; i < FZ_N_SETTINGS; i++) {
    if (self->values[i] == NULL || !settings[i].concerns_people)
      continue;
    if (settings[i].check == check_boolean)
      g_variant_dict_insert (&dict, settings[i].key, "b", g_str_equal (self->values[i], "true"));
    else
      g_variant_dict_insert (&dict, settings[i].key, "s", self->values[i]);
  }
  return g_variant_dict_end (&dict);
}

int
fz_machine_config_check (const char *path, bool must_exist)
{
  g_autoptr (FzMachineConfig) config = NULL;

  if (access (path, R_OK) < 0 && (must_exist || errno != ENOENT)) {
    fprintf (stderr, "error: %s: cannot be read: %s\n", path, g_strerror (errno));
    return EXIT_FAILURE;
  }
  config = fz_machine_config_load (path, NULL);
  for (guint i = 0; i < config->problems->len; i++) {
    const FzConfigProblem *problem = &g_array_index (config->problems, FzConfigProblem, i);

    fprintf (stderr, "%s: %s\n", problem->is_error ? "error" : "warning", problem->text);
  }
  for (int i = 0; i < FZ_N_SETTINGS; i++)
    if (config->values[i] != NULL)
      printf ("[%s] %s=%s\n", settings[i].group, settings[i].key, config->values[i]);
  return fz_machine_config_is_valid (config) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* test-machine-config.c: the administrator's file, its drop-ins, and what is wrong with them */

#include "src/helper/fz-machine-config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
  char *folder;
  char *path;
  char *drop_ins;
} Place;

static void
set_up (Place *place, gconstpointer data)
{
  place->folder = g_dir_make_tmp ("fz-config-XXXXXX", NULL);
  place->path = g_build_filename (place->folder, "client.conf", NULL);
  place->drop_ins = g_strconcat (place->path, ".d", NULL);
  g_assert_cmpint (g_mkdir (place->drop_ins, 0755), ==, 0);
}

static void
tear_down (Place *place, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", place->folder);

  g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
  g_free (place->folder);
  g_free (place->path);
  g_free (place->drop_ins);
}

static void
put (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static bool
has_problem (const FzMachineConfig *config, bool is_error, const char *part)
{
  size_t n;
  const FzConfigProblem *problems = fz_machine_config_get_problems (config, &n);

  for (size_t i = 0; i < n; i++)
    if (problems[i].is_error == is_error && strstr (problems[i].text, part) != NULL)
      return true;
  return false;
}

static void
test_missing (Place *place, gconstpointer data)
{
  g_autoptr (FzMachineConfig) config = fz_machine_config_load ("/nonexistent/client.conf", NULL);
  g_autoptr (GVariant) managed = g_variant_ref_sink (fz_machine_config_to_managed (config));
  size_t n;

  fz_machine_config_get_problems (config, &n);
  g_assert_cmpuint (n, ==, 0);
  g_assert_true (fz_machine_config_is_valid (config));
  g_assert_cmpuint (g_variant_n_children (managed), ==, 0);
  g_assert_false (fz_machine_config_keeps_when_owner_leaves (config));
  for (int i = 0; i < FZ_N_SETTINGS; i++)
    g_assert_null (fz_machine_config_get (config, (FzSetting) i));
}

static void
test_all_settings (Place *place, gconstpointer data)
{
  g_autoptr (FzMachineConfig) config = NULL;
  g_autoptr (GVariant) managed = NULL;
  const char *text = NULL;
  gboolean flag = FALSE;

  put (place->folder,
       "client.conf",
       "# our company\n"
       "[portal]\napi-url = wss://api.corp.example/ \nauth-url=https://app.corp.example\n"
       "account-slug=corp\n"
       "[session]\nconnect-on-start=true\nwhen-owner-leaves=keep\n"
       "[dns]\ndns-control=disabled\n"
       "[log]\nlog-filter=info,ice=debug\n");
  config = fz_machine_config_load (place->path, NULL);
  g_assert_true (fz_machine_config_is_valid (config));
  g_assert_cmpstr (
      fz_machine_config_get (config, FZ_SETTING_API_URL), ==, "wss://api.corp.example/");
  g_assert_cmpstr (fz_machine_config_get (config, FZ_SETTING_DNS_CONTROL), ==, "disabled");
  g_assert_true (fz_machine_config_keeps_when_owner_leaves (config));

  /* People see what concerns them, and nothing else. */
  managed = g_variant_ref_sink (fz_machine_config_to_managed (config));
  g_assert_cmpuint (g_variant_n_children (managed), ==, 5);
  g_assert_true (g_variant_lookup (managed, "api-url", "&s", &text));
  g_assert_cmpstr (text, ==, "wss://api.corp.example/");
  g_assert_true (g_variant_lookup (managed, "connect-on-start", "b", &flag));
  g_assert_true (flag);
  g_assert_true (g_variant_lookup (managed, "account-slug", "&s", &text));
  g_assert_true (g_variant_lookup (managed, "auth-url", "&s", &text));
  g_assert_true (g_variant_lookup (managed, "log-filter", "&s", &text));
}

static void
test_bad_values (Place *place, gconstpointer data)
{
  static const struct {
    const char *text;
    const char *problem;
  } rows[] = {
    { "[portal]\napi-url=api.example.com\n", "api-url" },
    { "[portal]\napi-url=ftp://api.example.com\n", "api-url" },
    { "[portal]\napi-url=wss://\n", "api-url" },
    { "[portal]\napi-url=wss://user:word@api.example.com/\n", "api-url" },
    { "[portal]\nauth-url=wss://app.example.com\n", "auth-url" },
    { "[portal]\naccount-slug=a b\n", "account-slug" },
    { "[portal]\naccount-slug=\n", "account-slug" },
    { "[session]\nconnect-on-start=maybe\n", "connect-on-start" },
    { "[session]\nwhen-owner-leaves=shrug\n", "when-owner-leaves" },
    { "[dns]\ndns-control=magic\n", "dns-control" },
    { "[tunnel]\nlanes=0\n", "lanes" },
    { "[tunnel]\nlanes=9\n", "lanes" },
    { "[tunnel]\nlanes=two\n", "lanes" },
    { "[log]\nlog-filter==,\n", "log-filter" },
    { "[log]\nlog-filter=\\q\n", "log-filter" },
    { "no group at all\n", "client.conf" },
    { "[portal\n", "client.conf" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (FzMachineConfig) config = NULL;

    g_test_message ("%s", rows[i].text);
    put (place->folder, "client.conf", rows[i].text);
    config = fz_machine_config_load (place->path, NULL);
    g_assert_false (fz_machine_config_is_valid (config));
    g_assert_true (has_problem (config, true, rows[i].problem));
    for (int j = 0; j < FZ_N_SETTINGS; j++)
      g_assert_null (fz_machine_config_get (config, (FzSetting) j));
  }
}

static void
test_unknown_keys_warn (Place *place, gconstpointer data)
{
  g_autoptr (FzMachineConfig) config = NULL;

  put (place->folder,
       "client.conf",
       "[portal]\naccount-slug=corp\ncolour=blue\n[session]\napi-url=wss://api.example.com\n");
  config = fz_machine_config_load (place->path, NULL);
  g_assert_true (fz_machine_config_is_valid (config));
  g_assert_true (has_problem (config, false, "[portal] colour: unknown"));
  g_assert_true (has_problem (config, false, "it belongs into [portal]"));
  g_assert_null (fz_machine_config_get (config, FZ_SETTING_API_URL));
  g_assert_cmpstr (fz_machine_config_get (config, FZ_SETTING_ACCOUNT_SLUG), ==, "corp");
}

static void
test_drop_ins (Place *place, gconstpointer data)
{
  g_autoptr (FzMachineConfig) config = NULL;

  put (place->folder, "client.conf", "[portal]\naccount-slug=main\n[log]\nlog-filter=debug\n");
  put (place->drop_ins, "10-first.conf", "[portal]\naccount-slug=first\n");
  put (place->drop_ins, "20-second.conf", "[portal]\naccount-slug=second\n");
  put (place->drop_ins, "30-not.conf~", "[portal]\naccount-slug=backup\n");
  put (place->drop_ins, ".40.conf", "[portal]\naccount-slug=hidden\n");
  config = fz_machine_config_load (place->path, NULL);
  g_assert_true (fz_machine_config_is_valid (config));
  g_assert_cmpstr (fz_machine_config_get (config, FZ_SETTING_ACCOUNT_SLUG), ==, "second");
  g_assert_cmpstr (fz_machine_config_get (config, FZ_SETTING_LOG_FILTER), ==, "debug");
}

static void
test_last_good_stays (Place *place, gconstpointer data)
{
  g_autoptr (FzMachineConfig) good = NULL, bad = NULL, torn = NULL, gone = NULL;

  put (place->folder, "client.conf", "[portal]\naccount-slug=corp\n[log]\nlog-filter=debug\n");
  good = fz_machine_config_load (place->path, NULL);

  put (place->folder, "client.conf", "[portal]\naccount-slug=a b\n");
  bad = fz_machine_config_load (place->path, good);
  g_assert_false (fz_machine_config_is_valid (bad));
  g_assert_cmpstr (fz_machine_config_get (bad, FZ_SETTING_ACCOUNT_SLUG), ==, "corp");
  g_assert_null (fz_machine_config_get (bad, FZ_SETTING_LOG_FILTER)); /* taken out on purpose */

  put (place->folder, "client.conf", "[portal\naccount-slug=other\n");
  torn = fz_machine_config_load (place->path, good);
  g_assert_cmpstr (fz_machine_config_get (torn, FZ_SETTING_ACCOUNT_SLUG), ==, "corp");
  g_assert_cmpstr (fz_machine_config_get (torn, FZ_SETTING_LOG_FILTER), ==, "debug");

  g_unlink (place->path);
  gone = fz_machine_config_load (place->path, good);
  g_assert_true (fz_machine_config_is_valid (gone));
  g_assert_null (fz_machine_config_get (gone, FZ_SETTING_ACCOUNT_SLUG));
}

static void
test_limits (Place *place, gconstpointer data)
{
  g_autofree char *fits = g_strnfill (FZ_MACHINE_CONFIG_BYTES_MAX, '#');
  g_autofree char *huge = g_strnfill (FZ_MACHINE_CONFIG_BYTES_MAX + 1, '#');
  g_autofree char *path = g_strnfill (FZ_MACHINE_CONFIG_TEXT_MAX, 'a');
  g_autofree char *value = g_strdup_printf ("[portal]\napi-url=wss://api.example/%s\n", path);
  g_autoptr (FzMachineConfig) at = NULL, past = NULL, text = NULL, many = NULL;

  put (place->folder, "client.conf", fits);
  at = fz_machine_config_load (place->path, NULL);
  g_assert_true (fz_machine_config_is_valid (at));
  put (place->folder, "client.conf", huge);
  past = fz_machine_config_load (place->path, NULL);
  g_assert_true (has_problem (past, true, "longer"));
  put (place->folder, "client.conf", value);
  text = fz_machine_config_load (place->path, NULL);
  g_assert_true (has_problem (text, true, "something shorter"));

  for (unsigned i = 0; i <= FZ_MACHINE_CONFIG_FILES_MAX; i++) {
    g_autofree char *name = g_strdup_printf ("%03u.conf", i);

    put (place->drop_ins, name, "[portal]\naccount-slug=corp\n");
  }
  many = fz_machine_config_load (place->path, NULL);
  g_assert_true (has_problem (many, true, "more than 64 files"));
}

static void
test_no_file (Place *place, gconstpointer data)
{
  g_autoptr (FzMachineConfig) folder = NULL, open = NULL;

  g_assert_cmpint (g_mkdir (place->path, 0755), ==, 0);
  folder = fz_machine_config_load (place->path, NULL);
  g_assert_true (has_problem (folder, true, "is not a file"));
  g_rmdir (place->path);

  put (place->folder, "client.conf", "");
  g_assert_cmpint (g_chmod (place->path, 0666), ==, 0);
  open = fz_machine_config_load (place->path, NULL);
  g_assert_true (has_problem (open, false, "everybody may write it"));
  g_assert_true (fz_machine_config_is_valid (open));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Place, NULL, set_up, func, tear_down)
  ADD ("/machine-config/missing", test_missing);
  ADD ("/machine-config/all-settings", test_all_settings);
  ADD ("/machine-config/bad-values", test_bad_values);
  ADD ("/machine-config/unknown-keys-warn", test_unknown_keys_warn);
  ADD ("/machine-config/drop-ins", test_drop_ins);
  ADD ("/machine-config/last-good-stays", test_last_good_stays);
  ADD ("/machine-config/limits", test_limits);
  ADD ("/machine-config/no-file", test_no_file);
  return g_test_run ();
}

/* fz-cli-config.c: firezone config
 *
 * get [NAME], set NAME VALUE, check.
 */
#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-settings.h"
#include "src/cli/fz-cli-verbs.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SERVICE_PROGRAM "firezone-client-tunnel"

static void
print_all_json (FzCli *cli, const char *const *names)
{
  JsonBuilder *builder = fz_cli_json_begin ();

  json_builder_set_member_name (builder, "settings");
  json_builder_begin_array (builder);
  for (size_t i = 0; names[i] != NULL; i++) {
    bool is_managed;
    g_autofree char *value = fz_cli_settings_get (cli, names[i], &is_managed);

    json_builder_begin_object (builder);
    fz_cli_json_text (builder, "name", names[i]);
    fz_cli_json_text (builder, "value", value);
    fz_cli_json_bool (builder, "managed", is_managed);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  fz_cli_json_end (builder, false);
}

static void
print_all (FzCli *cli, const char *const *names)
{
  FzCliTable table;

  fz_cli_table_init (&table, 3);
  fz_cli_table_add (&table, FZ_CLI_PLAIN, _ ("NAME"));
  fz_cli_table_add (&table, FZ_CLI_PLAIN, _ ("VALUE"));
  fz_cli_table_add (&table, FZ_CLI_PLAIN, "");
  for (size_t i = 0; names[i] != NULL; i++) {
    bool is_managed;
    g_autofree char *value = fz_cli_settings_get (cli, names[i], &is_managed);

    fz_cli_table_add (&table, FZ_CLI_PLAIN, names[i]);
    fz_cli_table_add (&table, FZ_CLI_PLAIN, value != NULL ? value : "");
    fz_cli_table_add (&table, FZ_CLI_DIM, is_managed ? _ ("managed by your organization") : "");
  }
  fz_cli_table_print (&table);
}

static int
get (FzCli *cli)
{
  const char *name = cli->arguments[1];
  const char *one[] = { name, NULL };
  const char *const *names = name != NULL ? one : fz_cli_settings_get_names ();
  g_autofree char *value = NULL;

  if (name != NULL && !g_strv_contains (fz_cli_settings_get_names (), name))
    return fz_cli_usage (
        cli, _ ("there is no setting \"%s\"; \"firezone config get\" lists them"), name);
  if (fz_cli_has (cli, "json")) {
    print_all_json (cli, names);
  } else if (name != NULL) {
    value = fz_cli_settings_get (cli, name, NULL);
    puts (value != NULL ? value : "");
  } else {
    print_all (cli, names);
  }
  return FZ_CLI_OK;
}

/* Beside this program, as installed together; else by PATH. */
static char *
find_service_program (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self != NULL ? g_path_get_dirname (self) : g_strdup ("/usr/bin");
  g_autofree char *beside = g_build_filename (folder, SERVICE_PROGRAM, NULL);

  if (g_file_test (beside, G_FILE_TEST_IS_EXECUTABLE))
    return g_steal_pointer (&beside);
  return g_find_program_in_path (SERVICE_PROGRAM);
}

/* The service's own reading of /etc/firezone: nobody else knows its keys. */
static int
check (void)
{
  g_autofree char *program = find_service_program ();
  char *const argv[] = { program, (char *) "--check-config", NULL };

  if (program == NULL) {
    fputs (_ ("firezone: the tunnel service is not installed here: install the package of the "
              "Firezone "
              "client.\n"),
           stderr);
    return FZ_CLI_ERROR;
  }
  fflush (stdout);
  execv (program, argv);
  fprintf (stderr, _ ("firezone: cannot run %s: %s\n"), program, g_strerror (errno));
  return FZ_CLI_ERROR;
}

int
fz_cli_config (FzCli *cli)
{
  const char *command = cli->arguments[0];
  unsigned n = g_strv_length (cli->arguments);
  int status;

  if (strcmp (command, "check") == 0)
    return n == 1 ? check ()
                  : fz_cli_usage (cli, _ ("unexpected argument \"%s\""), cli->arguments[1]);
  if (strcmp (command, "set") == 0 && n != 3)
    return fz_cli_usage (cli, _ ("set takes a name and a value"));
  if (strcmp (command, "get") == 0 && n > 2)
    return fz_cli_usage (cli, _ ("unexpected argument \"%s\""), cli->arguments[2]);
  status = fz_cli_service_open (cli);
  if (status != FZ_CLI_OK)
    return status;
  return strcmp (command, "get") == 0
             ? get (cli)
             : fz_cli_settings_set (cli, cli->arguments[1], cli->arguments[2]);
}

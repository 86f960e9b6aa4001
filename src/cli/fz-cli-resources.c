/* fz-cli-resources.c: firezone resources, and their names for completion */
#include "src/cli/fz-cli-resources.h"

#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-verbs.h"

#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *
fz_cli_resource_get (GVariant *resource, const char *property)
{
  const char *text = "";

  g_variant_lookup (resource, property, "&s", &text);
  return text;
}

uint32_t
fz_cli_resource_get_rtt (GVariant *resource)
{
  guint32 rtt_us = 0;

  g_variant_lookup (resource, "Rtt", "u", &rtt_us);
  return rtt_us;
}

static uint64_t
get_u64 (GVariant *resource, const char *property)
{
  guint64 value = 0;

  g_variant_lookup (resource, property, "t", &value);
  return value;
}

static void
print_json (const GPtrArray *resources)
{
  JsonBuilder *builder = fz_cli_json_begin ();

  json_builder_set_member_name (builder, "resources");
  json_builder_begin_array (builder);
  for (unsigned i = 0; i < resources->len; i++) {
    GVariant *r = resources->pdata[i];
    g_autofree const char **sites = NULL;

    g_variant_lookup (r, "Sites", "^a&s", &sites);
    json_builder_begin_object (builder);
    fz_cli_json_text (builder, "id", fz_cli_resource_get (r, "Id"));
    fz_cli_json_text (builder, "name", fz_cli_resource_get (r, "Name"));
    fz_cli_json_text (builder, "kind", fz_cli_resource_get (r, "Kind"));
    fz_cli_json_text (builder, "address", fz_cli_resource_get (r, "Address"));
    fz_cli_json_text (builder, "address_note", fz_cli_resource_get (r, "AddressNote"));
    fz_cli_json_list (builder, "sites", sites);
    fz_cli_json_text (builder, "state", fz_cli_resource_get (r, "State"));
    fz_cli_json_rtt (builder, "rtt_ms", fz_cli_resource_get_rtt (r));
    fz_cli_json_time (builder, "last_activity", get_u64 (r, "LastActivity"));
    fz_cli_json_number (builder, "tx_bytes", get_u64 (r, "TxBytes"));
    fz_cli_json_number (builder, "rx_bytes", get_u64 (r, "RxBytes"));
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  fz_cli_json_end (builder, false);
}

static void
add_traffic (FzCliTable *table, GVariant *resource)
{
  uint64_t tx = get_u64 (resource, "TxBytes"), rx = get_u64 (resource, "RxBytes");
  g_autofree char *sent = fz_cli_format_bytes (tx);
  g_autofree char *received = fz_cli_format_bytes (rx);
  g_autofree char *both = g_strdup_printf ("↑ %s ↓ %s", sent, received);

  fz_cli_table_add (table, FZ_CLI_DIM, tx + rx > 0 ? both : "");
}

static void
print_table (const GPtrArray *resources)
{
  const char *const heads[] = {
    _ ("NAME"), _ ("STATE"), _ ("ADDRESS"), _ ("SITE"), _ ("RTT"), _ ("TRAFFIC"),
  };
  FzCliTable table;

  fz_cli_table_init (&table, G_N_ELEMENTS (heads));
  for (size_t i = 0; i < G_N_ELEMENTS (heads); i++)
    fz_cli_table_add (&table, FZ_CLI_BOLD, heads[i]);
  for (unsigned i = 0; i < resources->len; i++) {
    GVariant *r = resources->pdata[i];
    const char *state = fz_cli_resource_get (r, "State");
    g_autofree const char **sites = NULL;
    g_autofree char *site = NULL;
    g_autofree char *rtt = fz_cli_format_rtt (fz_cli_resource_get_rtt (r));

    g_variant_lookup (r, "Sites", "^a&s", &sites);
    site = sites != NULL ? g_strjoinv (", ", (char **) sites) : g_strdup ("");
    fz_cli_table_add (&table, FZ_CLI_PLAIN, fz_cli_resource_get (r, "Name"));
    fz_cli_table_add (
        &table, fz_cli_resource_state_style (state), fz_cli_resource_state_word (state));
    fz_cli_table_add (&table, FZ_CLI_PLAIN, fz_cli_resource_get (r, "Address"));
    fz_cli_table_add (&table, FZ_CLI_PLAIN, site);
    fz_cli_table_add (&table, FZ_CLI_PLAIN, rtt);
    add_traffic (&table, r);
  }
  fz_cli_table_print (&table);
}

/* An empty list has a reason, and the person wants to know which. */
static void
explain_empty (FzCli *cli)
{
  const char *state = fz_tunnel1_manager_get_state (cli->manager);
  uint32_t owner = fz_tunnel1_manager_get_owner (cli->manager);

  if (fz_cli_service_exit_for (state) != FZ_CLI_OK)
    fputs (
        _ ("firezone: not connected; resources are listed while connected. Connect with: firezone "
           "connect\n"),
        stderr);
  else if (owner != getuid () && getuid () != 0)
    fputs (
        _ ("firezone: another user of this computer is connected; only that user and root see the "
           "resources.\n"),
        stderr);
  else
    fputs (_ ("Your account has no resources for you yet. Ask your administrator.\n"), stderr);
}

int
fz_cli_resources (FzCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) resources = NULL;
  int status = fz_cli_service_open (cli);

  if (status != FZ_CLI_OK)
    return status;
  resources = fz_cli_service_list (cli, "Resource", &error);
  if (resources == NULL)
    return fz_cli_service_fail (error);
  if (fz_cli_has (cli, "json"))
    print_json (resources);
  else if (resources->len == 0)
    explain_empty (cli);
  else
    print_table (resources);
  return fz_cli_service_exit_for (fz_tunnel1_manager_get_state (cli->manager));
}

/* Silent whatever happens: it is the Tab key that asks. */
int
fz_cli_complete (FzCli *cli)
{
  g_autoptr (GPtrArray) resources = NULL;
  int null = open ("/dev/null", O_WRONLY | O_CLOEXEC);

  if (null >= 0) {
    dup2 (null, STDERR_FILENO);
    close (null);
  }
  if (fz_cli_service_open (cli) != FZ_CLI_OK)
    return FZ_CLI_OK;
  resources = fz_cli_service_list (cli, "Resource", NULL);
  for (unsigned i = 0; resources != NULL && i < resources->len; i++) {
    g_autofree char *name = fz_cli_clean (fz_cli_resource_get (resources->pdata[i], "Name"));

    puts (name);
  }
  return FZ_CLI_OK;
}

/* fz-cli-status.c: firezone status
 *
 * What is so, once or at each change. Signed in, portal reached and tunnel up are three things, and
 * all three are shown.
 */
#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-verbs.h"
#include "src/ipc/fz-ipc-names.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *
join (const char *const *texts)
{
  g_autofree char *joined = texts != NULL ? g_strjoinv (", ", (char **) texts) : g_strdup ("");

  return fz_cli_clean (joined);
}

/* -- for programs -- */

static void
add_owner (JsonBuilder *builder, uint32_t owner)
{
  json_builder_set_member_name (builder, "owner_uid");
  if (owner == FZ_IPC_NO_OWNER)
    json_builder_add_null_value (builder);
  else
    json_builder_add_int_value (builder, owner);
}

static void
print_json (FzTunnel1Manager *m, bool is_line)
{
  JsonBuilder *builder = fz_cli_json_begin ();

  fz_cli_json_text (builder, "version", fz_tunnel1_manager_get_version (m));
  fz_cli_json_text (builder, "state", fz_tunnel1_manager_get_state (m));
  fz_cli_json_text (builder, "reason", fz_tunnel1_manager_get_state_reason (m));
  fz_cli_json_text (builder, "detail", fz_tunnel1_manager_get_state_detail (m));
  fz_cli_json_time (builder, "since", fz_tunnel1_manager_get_state_since (m));
  add_owner (builder, fz_tunnel1_manager_get_owner (m));
  fz_cli_json_text (builder, "account", fz_tunnel1_manager_get_account (m));
  fz_cli_json_text (builder, "actor", fz_tunnel1_manager_get_actor (m));
  fz_cli_json_time (builder, "session_expires", fz_tunnel1_manager_get_session_expires (m));
  fz_cli_json_text (builder, "interface", fz_tunnel1_manager_get_interface (m));
  fz_cli_json_list (builder, "addresses", fz_tunnel1_manager_get_addresses (m));
  fz_cli_json_number (builder, "mtu", fz_tunnel1_manager_get_mtu (m));
  fz_cli_json_text (builder, "dns_mode", fz_tunnel1_manager_get_dns_mode (m));
  fz_cli_json_list (builder, "dns_servers", fz_tunnel1_manager_get_dns_servers (m));
  fz_cli_json_text (builder, "portal_url", fz_tunnel1_manager_get_portal_url (m));
  fz_cli_json_text (builder, "portal_state", fz_tunnel1_manager_get_portal_state (m));
  fz_cli_json_rtt (builder, "portal_rtt_ms", fz_tunnel1_manager_get_portal_rtt (m));
  fz_cli_json_text (builder, "internet_resource", fz_tunnel1_manager_get_internet_resource (m));
  fz_cli_json_text (builder, "mode", fz_tunnel1_manager_get_mode (m));
  fz_cli_json_list (builder, "features", fz_tunnel1_manager_get_features (m));
  fz_cli_json_text (builder, "log_filter", fz_tunnel1_manager_get_log_filter (m));
  fz_cli_json_end (builder, is_line);
}

/* -- for people -- */

static void
print_headline (FzTunnel1Manager *m)
{
  const char *state = fz_tunnel1_manager_get_state (m);
  const char *reason = fz_tunnel1_manager_get_state_reason (m);
  const char *words = fz_cli_reason_words (reason);
  g_autofree char *detail = fz_cli_clean (fz_tunnel1_manager_get_state_detail (m));
  g_autofree char *painted = fz_cli_paint (fz_cli_state_style (state), fz_cli_state_word (state));
  g_autofree char *since = fz_cli_format_since (fz_tunnel1_manager_get_state_since (m));

  /* Translators: a state, and for how long: "Connected (for 5 minutes)". The
   * second %s is "5 minutes" or "2 days", which are used here only: put them into the case that you
   * need. */
  printf (_ ("%s (for %s)\n"), painted, since);
  if (words != NULL)
    puts (words);
  if (*detail != '\0')
    puts (detail);
}

static char *
describe_person (FzTunnel1Manager *m)
{
  g_autofree char *account = fz_cli_clean (fz_tunnel1_manager_get_account (m));
  g_autofree char *actor = fz_cli_clean (fz_tunnel1_manager_get_actor (m));
  uint32_t owner = fz_tunnel1_manager_get_owner (m);

  if (owner == FZ_IPC_NO_OWNER)
    return g_strdup (_ ("nobody; sign in with: firezone sign-in"));
  if (owner != getuid () && getuid () != 0) {
    const struct passwd *user = getpwuid (owner);

    /* Translators: %s is the name of a user of this computer */
    return g_strdup_printf (_ ("another user of this computer (%s)"),
                            user != NULL ? user->pw_name : "?");
  }
  if (*actor != '\0' && *account != '\0')
    /* Translators: a person at an account: "Sam Poe at acme" */
    return g_strdup_printf (_ ("%s at %s"), actor, account);
  if (*account != '\0' || *actor != '\0')
    return g_strdup (*actor != '\0' ? actor : account);
  return g_strdup (_ ("yes"));
}

static char *
describe_portal (FzTunnel1Manager *m)
{
  static const struct {
    const char *state;
    const char *words;
  } rows[] = {
    { "off", N_ ("not asked for") },
    { "connecting", N_ ("connecting") },
    { "connected", N_ ("reached") },
    { "retrying", N_ ("not reached; trying again") },
  };
  const char *state = fz_tunnel1_manager_get_portal_state (m);
  const char *words = state;
  g_autofree char *rtt = fz_cli_format_rtt (fz_tunnel1_manager_get_portal_rtt (m));
  g_autofree char *url = fz_cli_clean (fz_tunnel1_manager_get_portal_url (m));

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strcmp (rows[i].state, state) == 0)
      words = _ (rows[i].words);
  return g_strconcat (words, *rtt != '\0' ? ", " : "", rtt, *url != '\0' ? ", " : "", url, NULL);
}

static char *
describe_device (FzTunnel1Manager *m)
{
  g_autofree char *name = fz_cli_clean (fz_tunnel1_manager_get_interface (m));
  g_autofree char *addresses = join (fz_tunnel1_manager_get_addresses (m));

  if (*name == '\0')
    return g_strdup (_ ("none"));
  /* Translators: a network interface, its addresses, and its largest packet */
  return g_strdup_printf (_ ("%s, %s, MTU %u"), name, addresses, fz_tunnel1_manager_get_mtu (m));
}

static char *
describe_internet (FzTunnel1Manager *m)
{
  const char *state = fz_tunnel1_manager_get_internet_resource (m);

  if (strcmp (state, "on") == 0)
    return g_strdup (_ ("all traffic goes through the tunnel"));
  if (strcmp (state, "off") == 0)
    return g_strdup (_ ("off; only resources go through the tunnel"));
  return g_strdup ("");
}

static void
print_words (FzTunnel1Manager *m)
{
  g_autofree char *person = describe_person (m);
  g_autofree char *portal = describe_portal (m);
  g_autofree char *device = describe_device (m);
  g_autofree char *internet = describe_internet (m);
  g_autofree char *servers = join (fz_tunnel1_manager_get_dns_servers (m));
  g_autofree char *dns =
      *servers != '\0' ? g_strdup_printf ("%s (%s)", servers, fz_tunnel1_manager_get_dns_mode (m))
                       : g_strdup ("");
  g_autofree char *expires = fz_cli_format_time (fz_tunnel1_manager_get_session_expires (m));

  print_headline (m);
  fz_cli_print_field (_ ("Signed in"), person);
  fz_cli_print_field (_ ("Session ends"), expires);
  fz_cli_print_field (_ ("Portal"), portal);
  fz_cli_print_field (_ ("Tunnel"), device);
  fz_cli_print_field (_ ("Name servers"), dns);
  fz_cli_print_field (_ ("Internet"), internet);
}

/* -- watching -- */

typedef struct {
  FzCli *cli;
  GMainLoop *loop;
  char *last; /* what was printed */
  int status;
} Watch;

static void
print_change (Watch *watch)
{
  FzTunnel1Manager *m = watch->cli->manager;
  g_autofree char *state = g_strdup (fz_tunnel1_manager_get_state (m));
  g_autofree char *time = fz_cli_format_time ((uint64_t) g_get_real_time ());
  g_autofree char *line = NULL;
  g_autofree char *painted = NULL;
  g_autofree char *portal = NULL;

  if (state == NULL) {
    line = g_strdup (_ ("the service has ended"));
    state = g_strdup ("error");
  } else {
    portal = describe_portal (m);
    /* Translators: state of the tunnel; state of the portal */
    line = g_strdup_printf (_ ("%s; portal: %s"), fz_cli_state_word (state), portal);
  }
  if (g_strcmp0 (line, watch->last) == 0)
    return;
  painted = fz_cli_paint (fz_cli_state_style (state), line);
  printf ("%s  %s\n", time, painted);
  fflush (stdout);
  g_free (watch->last);
  watch->last = g_steal_pointer (&line);
}

static void
on_changed (Watch *watch)
{
  if (!fz_cli_has (watch->cli, "json"))
    print_change (watch);
  else if (fz_tunnel1_manager_get_state (watch->cli->manager) != NULL)
    print_json (watch->cli->manager, true);
  if (ferror (stdout))
    g_main_loop_quit (watch->loop); /* nobody reads any more */
}

static gboolean
on_interrupt (gpointer user_data)
{
  Watch *watch = user_data;

  g_main_loop_quit (watch->loop);
  return G_SOURCE_CONTINUE;
}

static int
run_watch (FzCli *cli)
{
  Watch watch = { .cli = cli, .loop = g_main_loop_new (NULL, FALSE) };
  unsigned sources[] = { g_unix_signal_add (SIGINT, on_interrupt, &watch),
                         g_unix_signal_add (SIGTERM, on_interrupt, &watch) };

  g_signal_connect_swapped (cli->manager, "g-properties-changed", G_CALLBACK (on_changed), &watch);
  g_signal_connect_swapped (cli->manager, "notify::g-name-owner", G_CALLBACK (on_changed), &watch);
  on_changed (&watch);
  g_main_loop_run (watch.loop);
  g_signal_handlers_disconnect_by_data (cli->manager, &watch);
  for (size_t i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
  g_main_loop_unref (watch.loop);
  g_free (watch.last);
  return FZ_CLI_OK;
}

int
fz_cli_status (FzCli *cli)
{
  int status = fz_cli_service_open (cli);

  if (status != FZ_CLI_OK)
    return status;
  if (fz_cli_has (cli, "watch"))
    return run_watch (cli);
  if (fz_cli_has (cli, "json"))
    print_json (cli->manager, false);
  else
    print_words (cli->manager);
  return fz_cli_service_exit_for (fz_tunnel1_manager_get_state (cli->manager));
}

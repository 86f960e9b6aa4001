/* test-cli.c
 *
 * firezone-portal as people and scripts use it: a process, its exit status, what
 * it prints, and that a command reaches the peers of a running portal.
 */
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"
#include "tests/unit/server/portal-fixture.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  char *folder;
  char *database;
  GSubprocess *server;
  GDataInputStream *server_output;
  Portal portal; /* only the fields that peers need */
} Cli;

typedef struct {
  int status;
  char *out;
  char *err;
} Result;

static void
result_clear (Result *result)
{
  g_free (result->out);
  g_free (result->err);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static const char *
program (void)
{
  const char *path = g_getenv ("FIREZONE_PORTAL_PROGRAM");

  g_assert_nonnull (path);
  return path;
}

static void
set_up (Cli *cli, gconstpointer data)
{
  memset (cli, 0, sizeof *cli);
  cli->folder = g_dir_make_tmp ("fz-cli-XXXXXX", NULL);
  cli->database = g_build_filename (cli->folder, data != NULL ? data : "portal.db", NULL);
  g_setenv ("FIREZONE_PORTAL_DATABASE", cli->database, TRUE);
}

static void
stop_server (Cli *cli, int signal)
{
  if (cli->server == NULL)
    return;
  g_subprocess_send_signal (cli->server, signal);
  g_subprocess_wait (cli->server, NULL, NULL);
  g_clear_object (&cli->server_output);
  g_clear_object (&cli->server);
  g_clear_pointer (&cli->portal.base, g_free);
}

static void
tear_down (Cli *cli, gconstpointer data)
{
  stop_server (cli, SIGTERM);
  portal_remove_folder (cli->folder);
  g_free (cli->folder);
  g_free (cli->database);
}

typedef struct {
  Result *result;
  bool is_done;
} Wait;

static void
on_finished (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  Wait *wait = user_data;
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8_finish (
      G_SUBPROCESS (source), async_result, &wait->result->out, &wait->result->err, &error);
  g_assert_no_error (error);
  wait->is_done = true;
}

static bool
is_finished (void *context)
{
  return ((Wait *) context)->is_done;
}

/* Runs a command line while the main loop turns, so that peers in this process go on. */
static Result
run_with_input (const char *line, const char *input)
{
  g_autofree char *whole = g_strdup_printf ("%s %s", program (), line);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  Result result = { 0 };
  Wait wait = { &result, false };

  g_assert_true (g_shell_parse_argv (whole, NULL, &argv, &error));
  process = g_subprocess_newv ((const char *const *) argv,
                               G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE |
                                   G_SUBPROCESS_FLAGS_STDIN_PIPE,
                               &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (process, input, NULL, on_finished, &wait);
  turn_until (is_finished, &wait);
  g_assert_true (g_subprocess_get_if_exited (process));
  result.status = g_subprocess_get_exit_status (process);
  return result;
}

static Result
run (const char *line)
{
  return run_with_input (line, "");
}

static JsonNode *
run_json (const char *line)
{
  g_autofree char *with_json = g_strdup_printf ("%s --json", line);
  g_auto (Result) result = run (with_json);
  JsonNode *node;

  if (result.status != 0)
    g_error ("\"%s\" failed: %s", line, result.err);
  node = json_from_string (result.out, NULL);
  g_assert_nonnull (node);
  return node;
}

static void
run_fine (const char *line)
{
  json_node_unref (run_json (line));
}

static void
start_server (Cli *cli, const char *options)
{
  g_autofree char *line = g_strdup_printf ("%s serve --listen 127.0.0.1:0 %s", program (), options);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) record = NULL;
  g_autofree char *first = NULL;
  const char *url;

  g_assert_true (g_shell_parse_argv (line, NULL, &argv, &error));
  cli->server =
      g_subprocess_newv ((const char *const *) argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_assert_no_error (error);
  cli->server_output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (cli->server));
  first = g_data_input_stream_read_line (cli->server_output, NULL, NULL, &error);
  g_assert_nonnull (first);
  record = json_from_string (first, NULL);
  g_assert_nonnull (record);
  g_assert_cmpstr (fz_json_text (json_node_get_object (record), "event"), ==, "portal-ready");
  url = fz_json_text (json_node_get_object (record), "listen");
  cli->portal.base = g_strdup (url + strlen ("http://"));
  *strchr (cli->portal.base, '/') = '\0';
}

/* -- help and usage -- */

static void
test_help_of_every_verb (Cli *cli, gconstpointer data)
{
  const FzManageVerb *const *tables = fz_manage_tables ();

  for (size_t t = 0; tables[t] != NULL; t++) {
    for (const FzManageVerb *verb = tables[t]; verb->noun != NULL; verb++) {
      g_autofree char *line =
          g_strdup_printf ("%s %s --help", verb->noun, verb->verb != NULL ? verb->verb : "");
      g_auto (Result) result = run (line);

      g_test_message ("%s", line);
      g_assert_cmpint (result.status, ==, 0);
      g_assert_nonnull (strstr (result.out, verb->summary));
      for (const FzManageOption *option = verb->options; option->name != NULL; option++)
        g_assert_nonnull (strstr (
            result.out, option->flags & FZ_OPTION_POSITIONAL ? option->placeholder : option->name));
    }
  }
}

static void
test_usage (Cli *cli, gconstpointer data)
{
  static const struct {
    const char *line;
    int status;
    const char *out; /* in standard output or error */
  } rows[] = {
    { "--help", 0, "Usage" },
    { "help", 0, "Usage" },
    { "--version", 0, "firezone-portal " },
    { "serve --help", 0, "--coturn-secret-file" },
    { "site --help", 0, "remove" },
    { "", 2, "Usage" },
    { "frobnicate", 2, "there is no command \"frobnicate\"" },
    { "site", 2, "Verbs" },
    { "site frobnicate", 2, "there is no verb \"frobnicate\"" },
    { "--frobnicate", 2, "there is no option \"--frobnicate\"" },
    { "site add", 2, "--name TEXT is missing" },
    { "site add --name", 2, "--name" },
    { "site add --nom x", 2, "--nom" },
    { "site add --name x y", 2, "\"y\" is one word too many" },
    { "site show", 2, "NAME|ID is missing" },
    { "site show a b", 2, "\"b\" is one word too many" },
    { "serve now", 2, "\"now\" is one word too many" },
    { "site list", 1, "firezone-portal init" },
    { "serve --listen nonsense", 1, "nonsense" },
    { "serve --log-format xml", 1, "json or human" },
    { "serve --log-filter loud=", 1, "log filter" },
    { "serve --coturn 192.0.2.1:3478", 1, "--coturn-secret-file" },
    { "serve --coturn turn.example --coturn-secret-file /dev/null", 1, "no secret" },
    { "serve --tls-key /dev/null", 1, "go together" },
    { "serve --trusted-proxy home --listen 127.0.0.1:0", 1, "home" },
    { "site list --database /dev/null/all.db", 1, "/dev/null/all.db" },
    { "init --database /dev/null/all.db", 1, "/dev/null/all.db" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Result) result = run (rows[i].line);

    g_test_message ("%s → %d %s%s", rows[i].line, result.status, result.out, result.err);
    g_assert_cmpint (result.status, ==, rows[i].status);
    g_assert_true (strstr (result.out, rows[i].out) != NULL ||
                   strstr (result.err, rows[i].out) != NULL);
    g_assert_true (rows[i].status == 0 || *result.out == '\0');
  }
}

/* -- management, with and without a running portal -- */

static void
manage_everything (void)
{
  g_autoptr (JsonNode) resource = NULL;
  g_autoptr (JsonNode) policies = NULL;
  g_autoptr (JsonNode) token = NULL;
  g_autoptr (JsonNode) tokens = NULL;
  g_auto (Result) table = { 0 };
  g_auto (Result) bare = { 0 };
  g_auto (Result) twin = { 0 };
  g_auto (Result) twin_json = { 0 };
  g_auto (Result) wrong = { 0 };
  g_autoptr (JsonNode) error = NULL;
  JsonObject *object;

  run_fine ("site add --name office");
  run_fine ("group add --name engineers");
  run_fine ("actor add --name laptop --type service_account");
  run_fine ("group add-member --group engineers --actor laptop");
  resource = run_json ("resource add --name web --address 10.20.0.0/24 --site office"
                       " --filter tcp/443 --filter icmp");
  object = json_node_get_object (resource);
  g_assert_cmpstr (fz_json_text (object, "address"), ==, "10.20.0.0/24");
  g_assert_cmpstr (fz_json_text (object, "site"), ==, "office");
  g_assert_cmpuint (json_array_get_length (fz_json_array (object, "filters")), ==, 2);
  run_fine ("policy add --group engineers --resource web");
  run_fine ("policy remove --group engineers --resource web");
  run_fine ("policy add --group engineers --resource web --description 'for work'");
  policies = run_json ("policy list");
  g_assert_cmpuint (json_array_get_length (json_node_get_array (policies)), ==, 1);

  table = run ("resource list");
  g_assert_cmpint (table.status, ==, 0);
  g_assert_nonnull (strstr (table.out, "tcp/443 icmp"));
  g_assert_true (g_str_has_prefix (table.out, "NAME"));

  token = run_json ("token create --client --actor laptop --expires 30d");
  g_assert_true (g_str_has_prefix (fz_json_text (json_node_get_object (token), "token"), ".fzc_"));
  bare = run ("token create --gateway --site office");
  g_assert_cmpint (bare.status, ==, 0);
  g_assert_true (g_str_has_prefix (bare.out, ".fzg_"));
  g_assert_true (strchr (bare.out, '\n') == bare.out + strlen (bare.out) - 1);
  tokens = run_json ("token list");
  g_assert_cmpuint (json_array_get_length (json_node_get_array (tokens)), ==, 2);
  for (unsigned i = 0; i < 2; i++)
    g_assert_false (json_object_has_member (
        json_array_get_object_element (json_node_get_array (tokens), i), "token"));

  twin = run ("site add --name office");
  g_assert_cmpint (twin.status, ==, 1);
  g_assert_nonnull (strstr (twin.err, "site \"office\" exists already"));
  twin_json = run ("site add --name office --json");
  error = json_from_string (twin_json.err, NULL);
  g_assert_cmpstr (
      fz_json_text (fz_json_child (json_node_get_object (error), "error"), "code"), ==, "conflict");
  wrong = run ("resource add --name x --address 10.0.0.0/99 --site office");
  g_assert_cmpint (wrong.status, ==, 1);
  g_assert_nonnull (strstr (wrong.err, "is not a network"));
}

static void
test_manage_directly (Cli *cli, gconstpointer data)
{
  g_autoptr (JsonNode) first = run_json ("init --name Acme");
  g_autoptr (JsonNode) again = run_json ("init --name Other");
  g_auto (Result) status = { 0 };

  g_assert_true (fz_json_bool (json_node_get_object (first), "created", false));
  g_assert_false (fz_json_bool (json_node_get_object (again), "created", true));
  g_assert_cmpstr (fz_json_text (json_node_get_object (again), "name"), ==, "Acme");
  manage_everything ();
  status = run ("status");
  g_assert_cmpint (status.status, ==, 1);
  g_assert_nonnull (strstr (status.out, "running: no"));
}

static void
test_manage_running (Cli *cli, gconstpointer data)
{
  g_auto (Result) status = { 0 };
  g_auto (Result) second = { 0 };
  g_autofree char *socket = g_strconcat (cli->database, ".sock", NULL);
  struct stat info;

  start_server (cli, "");
  run_fine ("init");
  manage_everything ();
  status = run ("--json status");
  g_assert_cmpint (status.status, ==, 0);
  g_assert_nonnull (strstr (status.out, "\"running\" : true"));
  g_assert_cmpint (stat (socket, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);

  second = run ("serve --listen 127.0.0.1:0");
  g_assert_cmpint (second.status, ==, 1);
  g_assert_nonnull (strstr (second.err, "another firezone-portal uses the database"));
}

/* A socket path beyond what an address holds, and one with spaces. */
static void
test_long_path (Cli *cli, gconstpointer data)
{
  g_autofree char *long_name = g_strnfill (120, 'd');
  g_autofree char *folder = g_build_filename (cli->folder, long_name, NULL);
  g_auto (Result) status = { 0 };

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_free (cli->database);
  cli->database = g_build_filename (folder, "portal.db", NULL);
  g_setenv ("FIREZONE_PORTAL_DATABASE", cli->database, TRUE);
  start_server (cli, "");
  run_fine ("init");
  status = run ("status");
  g_assert_cmpint (status.status, ==, 0);
}

static void
test_several_accounts (Cli *cli, gconstpointer data)
{
  g_auto (Result) ambiguous = { 0 };
  g_autoptr (JsonNode) mine = NULL;
  g_autoptr (JsonNode) theirs = NULL;

  run_fine ("init --name Acme");
  run_fine ("account add --name Umbrella");
  ambiguous = run ("site list");
  g_assert_cmpint (ambiguous.status, ==, 1);
  g_assert_nonnull (strstr (ambiguous.err, "--account"));
  run_fine ("site add --account umbrella --name hive");
  mine = run_json ("site list --account Acme");
  g_assert_cmpuint (json_array_get_length (json_node_get_array (mine)), ==, 1);
  theirs = run_json ("--account umbrella site list");
  g_assert_cmpstr (
      fz_json_text (json_array_get_object_element (json_node_get_array (theirs), 0), "name"),
      ==,
      "hive");
}

/* Passwords come on standard input, or are made up and shown once; never on the command line. */
static void
test_passwords (Cli *cli, gconstpointer data)
{
  static const struct {
    const char *line;
    const char *input;
    int status;
    const char *problem; /* NULL: fine */
  } rows[] = {
    { "actor password set sam", "correct horse battery\n", 0, NULL },
    { "actor password set sam", "correct horse battery", 0, NULL },
    { "actor password set sam", "", 1, "no password on standard input" },
    { "actor password set sam", "short\n", 1, "too short" },
    { "actor password set nobody", "correct horse battery\n", 1, "there is no actor" },
    { "actor password set", "correct horse battery\n", 2, "NAME|ID is missing" },
    { "actor password set sam --password x", "", 2, "--password" },
    { "actor password", "", 2, "Usage:" },
    { "actor password remove sam", "", 0, NULL },
    { "actor add eve --name mallory", "", 1, "say --name once" },
    { "actor add eve mallory", "", 2, "one word too many" },
    { "actor add", "", 2, "--name NAME is missing" },
    { "actor add \"Eve Moe\"", "", 0, NULL },
  };
  g_autofree char *long_line = g_strnfill (400, 'x');

  run_fine ("init");
  run_fine ("actor add sam --email sam@acme.test");
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Result) result = run_with_input (rows[i].line, rows[i].input);

    g_test_message ("%s", rows[i].line);
    g_assert_cmpint (result.status, ==, rows[i].status);
    if (rows[i].problem != NULL)
      g_assert_nonnull (strstr (result.err, rows[i].problem));
    g_assert_null (strstr (result.out, "horse"));
  }
  {
    g_auto (Result) result = run_with_input ("actor password set sam", long_line);

    g_assert_cmpint (result.status, ==, 1);
    g_assert_nonnull (strstr (result.err, "too long"));
  }
  {
    g_auto (Result) result = run ("actor password set sam --generate");

    g_assert_cmpint (result.status, ==, 0);
    g_assert_cmpuint (strlen (result.out), ==, 24); /* nothing but the password, and a line's end */
    g_assert_nonnull (strstr (result.err, "not shown again"));
  }
}

static void
test_token_options (Cli *cli, gconstpointer data)
{
  static const struct {
    const char *options;
    const char *problem; /* NULL: fine */
  } rows[] = {
    { "--client --actor sam", NULL },
    { "--client --actor sam --expires 12h", NULL },
    { "--client --actor sam --expires never", NULL },
    { "--client --actor sam --expires 2036-01-01T00:00:00Z", NULL },
    { "--relay --name r", NULL },
    { "--gateway --site main", NULL },
    { "--gateway --bind gw", NULL },
    { "", "say what the token is for" },
    { "--client --gateway --site main", "say what the token is for" },
    { "--client", "--actor is missing" },
    { "--gateway", "--site is missing" },
    { "--client --actor sam --site main", "go with --gateway" },
    { "--client --actor nobody", "there is no actor \"nobody\"" },
    { "--client --actor sam --expires soon", "is not a time" },
    { "--client --actor sam --expires 0d", "is not a time" },
    { "--client --actor sam --expires 99999999d", "is not a time" },
    { "--client --actor sam --expires 2001-01-01T00:00:00Z", "expired already" },
  };

  run_fine ("init");
  run_fine ("actor add --name sam");
  run_fine ("gateway add --site main --name gw");
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *line = g_strdup_printf ("token create %s", rows[i].options);
    g_auto (Result) result = run (line);

    g_test_message ("%s → %s", line, result.err);
    g_assert_cmpint (result.status, ==, rows[i].problem == NULL ? 0 : 1);
    if (rows[i].problem != NULL)
      g_assert_nonnull (strstr (result.err, rows[i].problem));
  }
}

/* The secret comes from a file and never shows again. */
static void
test_relay_secret (Cli *cli, gconstpointer data)
{
  g_autofree char *file = g_build_filename (cli->folder, "secret", NULL);
  g_autofree char *line =
      g_strdup_printf ("relay add --name turn --address 192.0.2.1:3478 --address [2001:db8::1]:3478"
                       " --secret-file %s",
                       file);
  g_auto (Result) missing = { 0 };
  g_auto (Result) added = { 0 };
  g_auto (Result) shown = { 0 };

  run_fine ("init");
  missing = run (line);
  g_assert_cmpint (missing.status, ==, 1);
  g_assert_true (g_file_set_contents (file, "  north-west\n", -1, NULL));
  added = run (line);
  g_assert_cmpint (added.status, ==, 0);
  shown = run ("relay show turn --json");
  g_assert_nonnull (strstr (shown.out, "[2001:db8::1]:3478"));
  g_assert_null (strstr (shown.out, "north"));
  g_assert_null (strstr (added.out, "north"));
}

/* -- a running portal and its peers -- */

static void
populate (Cli *cli)
{
  g_autoptr (JsonNode) token = NULL;
  g_autoptr (JsonNode) gateway = NULL;

  run_fine ("init");
  run_fine ("actor add --name sam");
  run_fine ("resource add --name lab --address 10.20.0.0/16 --site main");
  run_fine ("policy add --group Everyone --resource lab");
  token = run_json ("token create --client --actor sam");
  gateway = run_json ("token create --gateway --site main");
  cli->portal.client_token = g_strdup (fz_json_text (json_node_get_object (token), "token"));
  cli->portal.gateway_token = g_strdup (fz_json_text (json_node_get_object (gateway), "token"));
}

static void
forget_tokens (Cli *cli)
{
  g_clear_pointer (&cli->portal.client_token, g_free);
  g_clear_pointer (&cli->portal.gateway_token, g_free);
}

static void
test_commands_reach_peers (Cli *cli, gconstpointer data)
{
  g_autoptr (JsonObject) init = NULL;
  Peer *client;

  start_server (cli, "");
  populate (cli);
  client = client_new (&cli->portal, &init);
  g_assert_cmpuint (json_array_get_length (fz_json_array (init, "resources")), ==, 1);

  run_fine ("policy remove Everyone:lab");
  g_free (peer_expect_text (client, "resource_deleted"));
  run_fine ("policy add --group Everyone --resource lab");
  json_object_unref (peer_expect (client, "resource_created_or_updated"));
  {
    g_autoptr (JsonNode) clients = run_json ("client list");
    JsonObject *row = json_array_get_object_element (json_node_get_array (clients), 0);

    g_assert_true (fz_json_bool (row, "online", false));
    g_assert_cmpstr (fz_json_text (row, "version"), ==, "1.5.12");
  }
  run_fine ("actor update sam --disable");
  json_object_unref (peer_expect (client, "disconnect"));
  peer_expect_closed (client);
  peer_free (client);
  forget_tokens (cli);
}

/* A peer chooses its own name; it must not steer the terminal of whoever lists it. */
static void
test_names_are_printed_safely (Cli *cli, gconstpointer data)
{
  g_auto (Result) listed = { 0 };
  PeerSpec spec = {
    .path = "/client/v2/websocket",
    .query = "external_id=evil&name=%1B%5B2Jgone%0A&public_key="
             "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE%3D",
    .user_agent = "Debian/12 gui-client/1.5.16",
  };
  Peer *client;

  start_server (cli, "");
  populate (cli);
  run_fine ("site add --name 'Zürich – Süd'");
  spec.token = cli->portal.client_token;
  client = peer_connect (&cli->portal, "client", &spec);
  g_assert_nonnull (client->connection);
  listed = run ("client list");
  g_assert_nonnull (strstr (listed.out, "?[2Jgone"));
  g_assert_null (strchr (listed.out, '\033'));
  peer_free (client);
  result_clear (&listed);
  listed = run ("site list");
  g_assert_nonnull (strstr (listed.out, "Zürich – Süd"));
  forget_tokens (cli);
}

/* SIGTERM closes properly and removes the socket; SIGKILL leaves one that is no obstacle. */
static void
test_stop_and_restart (Cli *cli, gconstpointer data)
{
  g_autofree char *socket = g_strconcat (cli->database, ".sock", NULL);
  GSubprocess *server;
  Peer *client;
  g_autoptr (JsonObject) first = NULL;
  g_autoptr (JsonObject) second = NULL;

  start_server (cli, "");
  populate (cli);
  client = client_new (&cli->portal, &first);
  server = g_object_ref (cli->server);
  g_subprocess_send_signal (server, SIGTERM);
  peer_expect_closed (client);
  g_assert_cmpuint (soup_websocket_connection_get_close_code (client->connection), ==, 1000);
  g_subprocess_wait (server, NULL, NULL);
  g_assert_true (g_subprocess_get_if_exited (server));
  g_assert_cmpint (g_subprocess_get_exit_status (server), ==, 0);
  g_assert_false (g_file_test (socket, G_FILE_TEST_EXISTS));
  g_object_unref (server);
  peer_free (client);
  g_clear_object (&cli->server_output);
  g_clear_object (&cli->server);
  g_clear_pointer (&cli->portal.base, g_free);

  start_server (cli, "");
  stop_server (cli, SIGKILL);
  g_assert_true (g_file_test (socket, G_FILE_TEST_EXISTS));
  run_fine ("site list"); /* nobody listens there: the database itself */
  start_server (cli, "");
  client = client_new (&cli->portal, &second);
  g_assert_cmpstr (fz_json_text (fz_json_child (first, "interface"), "ipv4"),
                   ==,
                   fz_json_text (fz_json_child (second, "interface"), "ipv4"));
  peer_free (client);
  forget_tokens (cli);
}

/* Commands given while a portal starts find one of the two ways in, each of them. */
static void
test_commands_while_starting (Cli *cli, gconstpointer data)
{
  Result results[8] = { 0 };
  Wait waits[8] = { 0 };
  g_autoptr (JsonNode) sites = NULL;

  run_fine ("init");
  for (size_t i = 0; i < 8; i++) {
    g_autofree char *name = g_strdup_printf ("site-%zu", i);
    g_autoptr (GSubprocess) process =
        g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
                          NULL,
                          program (),
                          "site",
                          "add",
                          "--name",
                          name,
                          NULL);

    waits[i].result = &results[i];
    g_subprocess_communicate_utf8_async (process, NULL, NULL, on_finished, &waits[i]);
    if (i == 3)
      start_server (cli, "");
  }
  for (size_t i = 0; i < 8; i++) {
    turn_until (is_finished, &waits[i]);
    g_assert_cmpstr (results[i].err, ==, "");
    result_clear (&results[i]);
  }
  sites = run_json ("site list");
  g_assert_cmpuint (json_array_get_length (json_node_get_array (sites)), ==, 9);
}

static void
test_port_in_use (Cli *cli, gconstpointer data)
{
  g_autofree char *line = NULL;
  g_autofree char *other = g_build_filename (cli->folder, "other.db", NULL);
  g_auto (Result) result = { 0 };

  start_server (cli, "");
  line = g_strdup_printf ("serve --database %s --listen %s", other, cli->portal.base);
  result = run (line);
  g_assert_cmpint (result.status, ==, 1);
  g_assert_nonnull (strstr (result.err, cli->portal.base));
}

static void
test_coturn_from_the_command_line (Cli *cli, gconstpointer data)
{
  g_autofree char *file = g_build_filename (cli->folder, "secret", NULL);
  g_autofree char *options = g_strdup_printf (
      "--coturn 203.0.113.2:3478,[2001:db8::2]:3478 --coturn-secret-file %s", file);
  g_autoptr (JsonObject) init = NULL;
  Peer *client;
  JsonArray *relays;

  g_assert_true (g_file_set_contents (file, "north\n", -1, NULL));
  start_server (cli, options);
  populate (cli);
  client = client_new (&cli->portal, &init);
  relays = fz_json_array (init, "relays");
  g_assert_cmpuint (json_array_get_length (relays), ==, 2);
  g_assert_cmpstr (
      fz_json_text (json_array_get_object_element (relays, 0), "addr"), ==, "203.0.113.2:3478");
  g_assert_cmpstr (
      fz_json_text (json_array_get_object_element (relays, 1), "addr"), ==, "[2001:db8::2]:3478");
  peer_free (client);
  forget_tokens (cli);
}

/* Type=notify: READY=1 arrives once the port is open. */
static void
test_service_manager (Cli *cli, gconstpointer data)
{
  g_autofree char *path = g_build_filename (cli->folder, "notify", NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new (
      G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
  char buffer[512] = { 0 };

  g_assert_true (g_socket_bind (socket, address, FALSE, &error));
  g_socket_set_timeout (socket, 60);
  g_setenv ("NOTIFY_SOCKET", path, TRUE);
  start_server (cli, "");
  g_unsetenv ("NOTIFY_SOCKET");
  g_assert_cmpint (g_socket_receive (socket, buffer, sizeof buffer - 1, NULL, &error), >, 0);
  g_assert_true (g_str_has_prefix (buffer, "READY=1\n"));
  stop_server (cli, SIGTERM);
  memset (buffer, 0, sizeof buffer);
  g_assert_cmpint (g_socket_receive (socket, buffer, sizeof buffer - 1, NULL, &error), >, 0);
  g_assert_cmpstr (buffer, ==, "STOPPING=1");
}

/* Whatever comes over the control socket, the portal stays. */
static void
test_control_abuse (Cli *cli, gconstpointer data)
{
  static const struct {
    const char *line;
    const char *answer;
  } rows[] = {
    { "garbage", "\"ok\":false" },
    { "[]", "\"ok\":false" },
    { "{}", "\"ok\":false" },
    { "{\"noun\":7}", "\"ok\":false" },
    { "{\"noun\":\"site\",\"verb\":\"explode\"}", "\"ok\":false" },
    { "{\"noun\":\"site\",\"verb\":\"add\"}", "--name is missing" },
    { "{\"noun\":\"site\",\"verb\":\"add\",\"args\":{\"name\":7}}", "wrong form" },
    { "{\"noun\":\"site\",\"verb\":\"add\",\"args\":{\"what\":\"x\"}}", "does not belong" },
    { "{\"noun\":\"resource\",\"verb\":\"add\",\"args\":{\"name\":\"x\",\"site\":\"main\","
      "\"address\":\"10.0.0.0/8\",\"filter\":[7]}}",
      "wrong form" },
    { "{\"noun\":\"site\",\"verb\":\"list\",\"args\":[]}", "\"ok\":true" },
    { "{\"noun\":\"site\",\"verb\":\"list\"}", "\"ok\":true" },
  };
  g_autofree char *path = g_strconcat (cli->database, ".sock", NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GSocketConnection) flood = NULL;
  g_autoptr (GDataInputStream) input = NULL;
  g_autofree char *huge = g_strnfill (2u << 20, 'x');

  start_server (cli, "");
  run_fine ("init");
  g_socket_client_set_timeout (client, 60);
  connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);
  g_assert_nonnull (connection);
  input = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *line = g_strconcat (rows[i].line, "\n", NULL);
    g_autofree char *answer = NULL;

    g_assert_true (
        g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)),
                                   line,
                                   strlen (line),
                                   NULL,
                                   NULL,
                                   NULL));
    answer = g_data_input_stream_read_line (input, NULL, NULL, NULL);
    g_test_message ("%s → %s", rows[i].line, answer);
    g_assert_nonnull (answer);
    g_assert_nonnull (strstr (answer, rows[i].answer));
  }

  flood = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);
  g_output_stream_write_all (
      g_io_stream_get_output_stream (G_IO_STREAM (flood)), huge, strlen (huge), NULL, NULL, NULL);
  run_fine ("site list");
}

#define ADD(path, function) g_test_add (path, Cli, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
  ADD ("/help/every-verb", test_help_of_every_verb);
  ADD ("/help/usage", test_usage);
  ADD ("/manage/directly", test_manage_directly);
  ADD ("/manage/running", test_manage_running);
  ADD ("/manage/long-path", test_long_path);
  ADD ("/manage/several-accounts", test_several_accounts);
  ADD ("/manage/passwords", test_passwords);
  ADD ("/manage/token-options", test_token_options);
  ADD ("/manage/relay-secret", test_relay_secret);
  ADD ("/serve/commands-reach-peers", test_commands_reach_peers);
  ADD ("/serve/names-are-printed-safely", test_names_are_printed_safely);
  ADD ("/serve/stop-and-restart", test_stop_and_restart);
  ADD ("/serve/commands-while-starting", test_commands_while_starting);
  ADD ("/serve/port-in-use", test_port_in_use);
  ADD ("/serve/coturn-from-the-command-line", test_coturn_from_the_command_line);
  ADD ("/serve/service-manager", test_service_manager);
  ADD ("/serve/control-abuse", test_control_abuse);
  return g_test_run ();
}

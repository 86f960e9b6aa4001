/* fz-cli.c
 *
 * Words on the command line become a request to the running portal, or, when
 * none runs, a change in the database itself. Here are the help, the choice of the
 * command, its execution and its exit status; how a verb's options become the request's
 * arguments is in fz-cli-arguments.c. Only "serve" has options of its own here.
 */
#include "src/server/fz-cli.h"

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-cli-arguments.h"
#include "src/server/fz-control.h"
#include "src/server/fz-json.h"
#include "src/server/fz-manage.h"
#include "src/server/fz-print.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-server.h"

#include <glib/gstdio.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_DATABASE "/var/lib/firezone-portal/portal.db"
#define LOCK_WAIT_MS     250u
#define LOCK_ATTEMPTS    20u

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static char *
database_path (const FzCliCommon *common)
{
  const char *path = common->database;

  if (path == NULL)
    path = g_getenv ("FIREZONE_PORTAL_DATABASE");
  return g_strdup (path != NULL && *path != '\0' ? path : DEFAULT_DATABASE);
}

/* -- help -- */

static bool
is_first_of_noun (const FzManageVerb *table, const FzManageVerb *entry)
{
  return entry == table || strcmp (entry[-1].noun, entry->noun) != 0;
}

static void
print_top_help (FILE *out)
{
  const FzManageVerb *const *tables = fz_manage_tables ();

  fputs ("Usage: firezone-portal COMMAND [OPTION…]\n\n"
         "The self-hosted control plane: who may reach what, through which gateway.\n\n"
         "Commands:\n"
         "  serve      run the portal\n",
         out);
  for (size_t t = 0; tables[t] != NULL; t++) {
    for (const FzManageVerb *entry = tables[t]; entry->noun != NULL; entry++) {
      if (entry->verb == NULL) {
        fprintf (out, "  %-10s %s\n", entry->noun, entry->summary);
        continue;
      }
      if (is_first_of_noun (tables[t], entry)) {
        fprintf (out, "  %-10s", entry->noun);
        for (const FzManageVerb *v = entry; v->noun != NULL && !strcmp (v->noun, entry->noun); v++)
          fprintf (out, "%s %s", v == entry ? "" : ",", v->verb);
        fputc ('\n', out);
      }
    }
  }
  fputs ("\nEvery command takes --help, and:\n"
         "  --database PATH   the portal's database (default: $FIREZONE_PORTAL_DATABASE or\n"
         "                    " DEFAULT_DATABASE ")\n"
         "  --account NAME    which account, where there are several\n"
         "  --json            print the result as JSON\n\n"
         "Exit status: 0 done, 1 it failed, 2 the command line makes no sense.\n",
         out);
}

static bool
is_noun (const char *word)
{
  const FzManageVerb *const *tables = fz_manage_tables ();

  for (size_t t = 0; tables[t] != NULL; t++)
    for (const FzManageVerb *entry = tables[t]; entry->noun != NULL; entry++)
      if (strcmp (entry->noun, word) == 0)
        return true;
  return false;
}

static void
print_noun_help (FILE *out, const char *noun)
{
  const FzManageVerb *const *tables = fz_manage_tables ();

  fprintf (out, "Usage: firezone-portal %s VERB [OPTION…]\n\nVerbs:\n", noun);
  for (size_t t = 0; tables[t] != NULL; t++)
    for (const FzManageVerb *entry = tables[t]; entry->noun != NULL; entry++)
      if (strcmp (entry->noun, noun) == 0)
        fprintf (out, "  %-15s %s\n", entry->verb, entry->summary);
  fprintf (out, "\n\"firezone-portal %s VERB --help\" shows the options.\n", noun);
}

static int usage_error (const char *format, ...) G_GNUC_PRINTF (1, 2);

static int
usage_error (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  fputs ("firezone-portal: ", stderr);
  vfprintf (stderr, format, args);
  fputs ("\nTry \"firezone-portal --help\".\n", stderr);
  va_end (args);
  return EXIT_USAGE;
}

/* -- errors of commands -- */

static int
report (const GError *error, bool is_json)
{
  if (is_json) {
    g_autoptr (JsonObject) object = json_object_new ();
    JsonObject *details = json_object_new ();
    g_autofree char *text = NULL;

    json_object_set_string_member (details, "code", fz_server_error_name (error));
    json_object_set_string_member (details, "message", error->message);
    json_object_set_object_member (object, "error", details);
    text = fz_json_object_to_text (object);
    fprintf (stderr, "%s\n", text);
  } else {
    fprintf (stderr, "firezone-portal: %s\n", error->message);
  }
  return EXIT_FAILED;
}

/* -- management commands -- */

/* Nobody serves this database: do it here, under the lock. */
static JsonNode *
run_directly (const char *path,
              const FzManageVerb *verb,
              JsonObject *args,
              bool *out_is_locked,
              GError **error)
{
  FzRng rng = fz_crypto_rng ();
  FzManage manage = { .database_path = path };
  g_autoptr (FzInstanceLock) lock = NULL;
  g_autoptr (FzStore) store = NULL;

  if (strcmp (verb->noun, "init") != 0 && !g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_NOT_FOUND,
                 "there is no database %s; make it with \"firezone-portal init --database %s\"",
                 path,
                 path);
    return NULL;
  }
  if (strcmp (verb->noun, "init") == 0) {
    g_autofree char *folder = g_path_get_dirname (path);

    g_mkdir (folder, 0700); /* its own folder, not its parents; a failure shows in what follows */
  }
  lock = fz_instance_lock_take (path, LOCK_WAIT_MS, error);
  if (lock == NULL) {
    *out_is_locked =
        error != NULL && g_error_matches (*error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_CONFLICT);
    return NULL;
  }
  store = fz_store_open (path, &rng, error);
  if (store == NULL)
    return NULL;
  manage.store = store;
  return fz_manage_run (&manage, verb, args, error);
}

/* Whoever holds the lock without listening is starting, stopping, or another command: soon one of
 * the two ways is open. */
static JsonNode *
execute (const char *path, const FzManageVerb *verb, JsonObject *args, GError **error)
{
  for (unsigned attempt = 1;; attempt++) {
    g_autoptr (GError) local_error = NULL;
    bool is_running = false;
    bool is_locked = false;
    JsonNode *result =
        fz_control_request (path, verb->noun, verb->verb, args, &is_running, &local_error);

    if (!is_running)
      result = run_directly (path, verb, args, &is_locked, &local_error);
    if (result != NULL || !is_locked || attempt == LOCK_ATTEMPTS) {
      if (result == NULL)
        g_propagate_error (error, g_steal_pointer (&local_error));
      return result;
    }
  }
}

/* A secret of the result that is shown this once; NULL if there is none. */
static const char *
secret_of (const FzManageVerb *verb, JsonNode *result, const char **out_what)
{
  static const struct {
    const char *noun;
    const char *verb;
    const char *member;
    const char *what;
  } secrets[] = {
    { "token", "create", "token", "Token" },
    { "actor", "password set", "generated_password", "Password of actor" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (secrets); i++) {
    if (strcmp (verb->noun, secrets[i].noun) != 0 || g_strcmp0 (verb->verb, secrets[i].verb) != 0)
      continue;
    *out_what = secrets[i].what;
    return fz_json_text (json_node_get_object (result), secrets[i].member);
  }
  return NULL;
}

static void
print_result (const FzManageVerb *verb, JsonNode *result, bool is_json)
{
  const char *what = NULL;

  if (is_json) {
    fz_print_json (stdout, result);
  } else if (JSON_NODE_HOLDS_ARRAY (result)) {
    fz_print_table (stdout, json_node_get_array (result), verb->columns);
  } else if (secret_of (verb, result, &what) != NULL) {
    /* Alone on standard output, for TOKEN=$(firezone-portal token create …). */
    printf ("%s\n", secret_of (verb, result, &what));
    fprintf (stderr,
             "%s %s; keep it safe, it is not shown again.\n",
             what,
             fz_json_text (json_node_get_object (result), "id"));
  } else {
    fz_print_object (stdout, json_node_get_object (result));
  }
}

/* "status" is for scripts as well: a portal that does not run is a failure. */
static int
exit_status (const FzManageVerb *verb, JsonNode *result)
{
  if (strcmp (verb->noun, "status") != 0)
    return EXIT_DONE;
  return fz_json_bool (json_node_get_object (result), "running", false) ? EXIT_DONE : EXIT_FAILED;
}

static int
run_verb (const FzManageVerb *verb, int argc, char **argv)
{
  g_auto (FzCliCommon) common = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) args = fz_cli_arguments_parse (verb, argc, argv, &common, &error);
  g_autoptr (JsonNode) result = NULL;
  g_autofree char *path = NULL;

  if (args == NULL && error->domain == G_OPTION_ERROR)
    return usage_error ("%s", error->message);
  if (args == NULL)
    return report (error, common.is_json);

  path = database_path (&common);
  result = execute (path, verb, args, &error);
  if (result == NULL)
    return report (error, common.is_json);
  print_result (verb, result, common.is_json);
  return exit_status (verb, result);
}

/* -- serve -- */

typedef struct {
  char **listen;
  char **coturn;
  char *coturn_secret_file;
  char **trusted_proxies;
  char *external_url;
  char *tls_certificate;
  char *tls_key;
  char *log_format;
  char *log_filter;
} FzServeOptions;

static void
serve_options_clear (FzServeOptions *self)
{
  g_strfreev (self->listen);
  g_strfreev (self->coturn);
  g_strfreev (self->trusted_proxies);
  g_free (self->coturn_secret_file);
  g_free (self->external_url);
  g_free (self->tls_certificate);
  g_free (self->tls_key);
  g_free (self->log_format);
  g_free (self->log_filter);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzServeOptions, serve_options_clear)

static GOptionContext *
make_serve_context (FzServeOptions *self, FzCliCommon *common)
{
  GOptionEntry entries[] = {
    { "listen",
      0,
      0,
      G_OPTION_ARG_FILENAME_ARRAY,
      &self->listen,
      "address to listen on, may be repeated (default: 127.0.0.1:8080)",
      "IP:PORT" },
    { "coturn",
      0,
      0,
      G_OPTION_ARG_FILENAME_ARRAY,
      &self->coturn,
      "a coturn server, may be repeated; realm \"firezone\", port 3478",
      "IP:PORT[,[IP]:PORT]" },
    { "coturn-secret-file",
      0,
      0,
      G_OPTION_ARG_FILENAME,
      &self->coturn_secret_file,
      "file with coturn's static-auth-secret",
      "FILE" },
    { "external-url",
      0,
      0,
      G_OPTION_ARG_FILENAME,
      &self->external_url,
      "URL by which peers know this portal",
      "URL" },
    { "trusted-proxy",
      0,
      0,
      G_OPTION_ARG_FILENAME_ARRAY,
      &self->trusted_proxies,
      "network of a reverse proxy whose X-Forwarded-For is believed, may be repeated",
      "CIDR" },
    { "tls-certificate",
      0,
      0,
      G_OPTION_ARG_FILENAME,
      &self->tls_certificate,
      "serve TLS with this certificate chain (PEM)",
      "FILE" },
    { "tls-key", 0, 0, G_OPTION_ARG_FILENAME, &self->tls_key, "its private key (PEM)", "FILE" },
    { "log-format",
      0,
      0,
      G_OPTION_ARG_FILENAME,
      &self->log_format,
      "json (default) or human",
      "FORMAT" },
    { "log-filter",
      0,
      0,
      G_OPTION_ARG_FILENAME,
      &self->log_filter,
      "error, warn, info (default), debug or trace",
      "FILTER" },
    G_OPTION_ENTRY_NULL,
  };
  GOptionContext *context = g_option_context_new (NULL);

  g_option_context_set_summary (context, "run the portal");
  g_option_context_add_main_entries (context, entries, NULL);
  fz_cli_common_add (common, context, false);
  return context;
}

static int
run_serve (int argc, char **argv)
{
  static const char *const default_listen[] = { "127.0.0.1:8080", NULL };
  g_auto (FzCliCommon) common = { 0 };
  g_auto (FzServeOptions) serve = { 0 };
  g_autoptr (GOptionContext) context = make_serve_context (&serve, &common);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  FzServerOptions options;

  if (!g_option_context_parse (context, &argc, &argv, &error))
    return usage_error ("%s", error->message);
  if (argc > 1)
    return usage_error ("\"%s\" is one word too many", argv[1]);
  path = database_path (&common);
  options = (FzServerOptions){
    .database_path = path,
    .listen = serve.listen != NULL ? (const char *const *) serve.listen : default_listen,
    .coturn = (const char *const *) serve.coturn,
    .coturn_secret_file = serve.coturn_secret_file,
    .trusted_proxies = (const char *const *) serve.trusted_proxies,
    .external_url = serve.external_url,
    .tls_certificate = serve.tls_certificate,
    .tls_key = serve.tls_key,
    .log_format = serve.log_format,
    .log_filter = serve.log_filter,
  };
  return fz_server_run (&options, &error) ? EXIT_DONE : report (error, common.is_json);
}

/* -- words -- */

/* The verb behind the noun: two words if there is such a verb, else one; NULL if there is none. */
static const FzManageVerb *
find_verb (const char *noun, GPtrArray *words, unsigned *out_n_words)
{
  const FzManageVerb *verb = NULL;

  if (words->len > 2) {
    g_autofree char *both =
        g_strdup_printf ("%s %s", (char *) words->pdata[1], (char *) words->pdata[2]);

    verb = fz_manage_find (noun, both);
  }
  *out_n_words = verb != NULL ? 3 : 2;
  return verb != NULL || words->len < 2 ? verb : fz_manage_find (noun, words->pdata[1]);
}

/* "password" of "password set". */
static bool
is_half_verb (const char *noun, const char *word)
{
  const FzManageVerb *const *tables = fz_manage_tables ();
  size_t length = strlen (word);

  for (size_t t = 0; tables[t] != NULL; t++)
    for (const FzManageVerb *entry = tables[t]; entry->noun != NULL; entry++)
      if (strcmp (entry->noun, noun) == 0 && entry->verb != NULL &&
          strncmp (entry->verb, word, length) == 0 && entry->verb[length] == ' ')
        return true;
  return false;
}

/* Options that stand before the command move behind it; then [0] is the command. */
static GPtrArray *
command_first (int argc, char **argv)
{
  GPtrArray *words = g_ptr_array_new ();
  int i = 1;

  for (; i < argc && argv[i][0] == '-'; i++)
    if ((strcmp (argv[i], "--database") == 0 || strcmp (argv[i], "--account") == 0) && i + 1 < argc)
      i++;
  for (int k = i; k < argc; k++)
    g_ptr_array_add (words, argv[k]);
  for (int k = 1; k < i; k++)
    g_ptr_array_add (words, argv[k]);
  return words;
}

static bool
asks_for (GPtrArray *words, unsigned at, const char *option, const char *short_option)
{
  const char *word = at < words->len ? g_ptr_array_index (words, at) : "";

  return strcmp (word, option) == 0 || strcmp (word, short_option) == 0;
}

/* Parses what follows the first @n_words words under a program name that says what it is. */
static int
run_rest (int (*run) (const FzManageVerb *, int, char **),
          const FzManageVerb *verb,
          GPtrArray *words,
          unsigned n_words)
{
  g_autoptr (GPtrArray) rest = g_ptr_array_new ();
  g_autoptr (GString) name = g_string_new ("firezone-portal");

  for (unsigned i = 0; i < n_words; i++)
    g_string_append_printf (name, " %s", (char *) g_ptr_array_index (words, i));
  g_set_prgname (name->str);
  g_ptr_array_add (rest, name->str);
  for (unsigned i = n_words; i < words->len; i++)
    g_ptr_array_add (rest, g_ptr_array_index (words, i));
  g_ptr_array_add (rest, NULL);
  return run (verb, (int) rest->len - 1, (char **) rest->pdata);
}

static int
run_serve_verb (const FzManageVerb *verb, int argc, char **argv)
{
  return run_serve (argc, argv);
}

int
fz_cli_run (int argc, char **argv)
{
  g_autoptr (GPtrArray) words = command_first (argc, argv);
  const char *noun = words->len > 0 ? g_ptr_array_index (words, 0) : "";
  const FzManageVerb *verb;
  unsigned n_words = 0;

  setlocale (LC_ALL, "");
  if (!fz_crypto_init ()) {
    fputs ("firezone-portal: the cryptographic library does not start\n", stderr);
    return EXIT_FAILED;
  }
  if (asks_for (words, 0, "--version", "-V")) {
    printf ("firezone-portal %s\n", FZ_VERSION);
    return EXIT_DONE;
  }
  if (asks_for (words, 0, "--help", "-h") || strcmp (noun, "help") == 0) {
    print_top_help (stdout);
    return EXIT_DONE;
  }
  if (*noun == '-')
    return usage_error ("there is no option \"%s\"", noun);
  if (*noun == '\0') {
    print_top_help (stderr);
    return EXIT_USAGE;
  }
  if (strcmp (noun, "serve") == 0)
    return run_rest (run_serve_verb, NULL, words, 1);
  verb = fz_manage_find (noun, NULL);
  if (verb != NULL)
    return run_rest (run_verb, verb, words, 1);
  if (!is_noun (noun))
    return usage_error ("there is no command \"%s\"", noun);
  if (asks_for (words, 1, "--help", "-h")) {
    print_noun_help (stdout, noun);
    return EXIT_DONE;
  }
  verb = find_verb (noun, words, &n_words);
  if (verb == NULL) {
    if (words->len > 1 && !is_half_verb (noun, words->pdata[1]))
      fprintf (stderr,
               "firezone-portal: %s: there is no verb \"%s\"\n\n",
               noun,
               (char *) words->pdata[1]);
    print_noun_help (stderr, noun);
    return EXIT_USAGE;
  }
  return run_rest (run_verb, verb, words, n_words);
}

#include "src/cli/fz-cli-verbs.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#define STATES "signed-out offline connecting connected degraded disconnecting error"
#define LEVELS "error warning info debug trace"

#define END                                                                                        \
  {                                                                                                \
    NULL, 0, FZ_CLI_WORD_NONE, NULL, NULL, NULL                                                    \
  }
#define FLAG(name, letter, summary)                                                                \
  {                                                                                                \
    name, letter, FZ_CLI_WORD_NONE, NULL, NULL, summary                                            \
  }
#define TEXT(name, letter, word_name, summary)                                                     \
  {                                                                                                \
    name, letter, FZ_CLI_WORD_TEXT, word_name, NULL, summary                                       \
  }
#define JSON FLAG ("json", 'j', N_ ("Print JSON, for programs"))

static const FzCliOption status_options[] = {
  JSON,
  FLAG ("watch", 'w', N_ ("Print a line for each change, until interrupted")),
  END,
};

static const FzCliOption connect_options[] = {
  FLAG ("internet", 'i', N_ ("Route all traffic, where the account has an Internet resource")),
  FLAG ("wait", 'w', N_ ("Return when connected, not when the service has begun")),
  TEXT ("timeout", 't', "SECONDS", N_ ("How long --wait waits; 30")),
  END,
};

static const FzCliOption disconnect_options[] = {
  FLAG ("wait", 'w', N_ ("Return when disconnected")),
  TEXT ("timeout", 't', "SECONDS", N_ ("How long --wait waits; 30")),
  END,
};

static const FzCliOption sign_in_options[] = {
  FLAG ("no-browser", 'n', N_ ("Only print the address to open in a browser")),
  TEXT ("account", 'a', "SLUG", N_ ("The account; else the sign-in page asks")),
  TEXT ("auth-url", 0, "URL", N_ ("Where to sign in")),
  TEXT ("api-url", 0, "URL", N_ ("The portal that the service connects to")),
  FLAG ("no-connect", 0, N_ ("Sign in, and do not connect")),
  END,
};

static const FzCliOption json_options[] = { JSON, END };

static const FzCliOption metrics_options[] = {
  JSON,
  FLAG ("prometheus", 'p', N_ ("Print the text format of Prometheus, with histograms and labels")),
  END,
};

static const FzCliOption ping_options[] = {
  JSON,
  TEXT ("count", 'c', "N", N_ ("How many times to ask, once a second; 1")),
  TEXT ("timeout", 't', "SECONDS", N_ ("How long to wait for the path; 10")),
  END,
};

static const FzCliOption logs_options[] = {
  FLAG ("follow", 'f', N_ ("Keep printing what is written, until interrupted")),
  { "level", 'l', FZ_CLI_WORD_CHOICE, "LEVEL", LEVELS, N_ ("Only this level and worse") },
  TEXT ("target", 0, "PREFIX", N_ ("Only parts of the program that begin with this: ice, dns")),
  TEXT ("grep", 'g', "TEXT", N_ ("Only lines with this text, in either case")),
  TEXT ("lines", 'n', "N", N_ ("Only the last N of them")),
  FLAG ("json", 'j', N_ ("Print the lines as they are in the file: an object each")),
  END,
};

static const FzCliOption wait_options[] = {
  TEXT (
      "timeout", 't', "SECONDS", N_ ("Give up after this time, with status 5; else wait for ever")),
  END,
};

static const FzCliOption export_options[] = {
  FLAG ("force", 'f', N_ ("Replace the file if it is there")),
  END,
};

static const FzCliVerb verbs[] = {
  { "status",
    N_ ("Show whether and how this computer is connected"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    status_options,
    fz_cli_status },
  { "connect",
    N_ ("Connect"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    connect_options,
    fz_cli_connect },
  { "disconnect",
    N_ ("Disconnect, and stay signed in"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    disconnect_options,
    fz_cli_disconnect },
  { "reconnect",
    N_ ("Make all paths anew"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    NULL,
    fz_cli_reconnect },
  { "toggle",
    N_ ("Connect if disconnected, else disconnect"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    NULL,
    fz_cli_toggle },
  { "wait",
    N_ ("Wait until the state is one of those given"),
    FZ_CLI_WORD_CHOICE,
    "STATE",
    STATES,
    1,
    16,
    wait_options,
    fz_cli_wait },
  { "sign-in",
    N_ ("Sign in with a browser, and connect"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    sign_in_options,
    fz_cli_sign_in },
  { "sign-out",
    N_ ("Disconnect, and forget who was signed in"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    NULL,
    fz_cli_sign_out },
  { "resources",
    N_ ("List what you may reach, and how"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    json_options,
    fz_cli_resources },
  { "ping",
    N_ ("Make the path to a resource, and measure it"),
    FZ_CLI_WORD_RESOURCE,
    "RESOURCE",
    NULL,
    1,
    1,
    ping_options,
    fz_cli_ping },
  { "logs",
    N_ ("Print what the tunnel service has logged"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    logs_options,
    fz_cli_logs },
  { "diagnose",
    N_ ("Check everything, and say what to do about what is wrong"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    json_options,
    fz_cli_diagnose },
  { "metrics",
    N_ ("Print all counters"),
    FZ_CLI_WORD_NONE,
    NULL,
    NULL,
    0,
    0,
    metrics_options,
    fz_cli_metrics },
  { "export",
    N_ ("Write logs and state, without secrets, to an archive (.tar.gz; - for standard output)"),
    FZ_CLI_WORD_FILE,
    "FILE",
    NULL,
    1,
    1,
    export_options,
    fz_cli_export },
  { "config",
    N_ ("Read and change settings: get [NAME], set NAME VALUE, check"),
    FZ_CLI_WORD_CHOICE,
    "COMMAND",
    "get set check",
    1,
    3,
    json_options,
    fz_cli_config },
  { "completion",
    N_ ("Print the script that completes words in a shell"),
    FZ_CLI_WORD_CHOICE,
    "SHELL",
    "bash zsh fish",
    1,
    1,
    NULL,
    fz_cli_completion },
  { "complete-resources", NULL, FZ_CLI_WORD_NONE, NULL, NULL, 0, 0, NULL, fz_cli_complete },
  { NULL, NULL, FZ_CLI_WORD_NONE, NULL, NULL, 0, 0, NULL, NULL },
};

const FzCliVerb *
fz_cli_verbs_get (void)
{
  return verbs;
}

const FzCliVerb *
fz_cli_verbs_find (const char *name)
{
  for (const FzCliVerb *verb = verbs; verb->name != NULL; verb++)
    if (strcmp (verb->name, name) == 0)
      return verb;
  return NULL;
}

/* -- parsing -- */

static const FzCliOption *
find_option (const FzCliVerb *verb, const char *name, size_t n, char letter)
{
  for (const FzCliOption *o = verb->options; o != NULL && o->name != NULL; o++)
    if ((letter != 0 && o->letter == letter) ||
        (letter == 0 && strlen (o->name) == n && strncmp (o->name, name, n) == 0))
      return o;
  return NULL;
}

static bool
is_choice (const char *choices, const char *word)
{
  g_auto (GStrv) all = g_strsplit (choices, " ", -1);

  return g_strv_contains ((const char *const *) all, word);
}

static int
store (FzCli *cli, const FzCliOption *option, const char *value)
{
  if (option->word == FZ_CLI_WORD_CHOICE && !is_choice (option->choices, value))
    return fz_cli_usage (
        cli, _ ("--%s: \"%s\" is not one of: %s"), option->name, value, option->choices);
  g_hash_table_insert (cli->options, (gpointer) option->name, g_strdup (value));
  return FZ_CLI_OK;
}

/* One word that begins with "-"; may take the next one as its value. */
static int
parse_option (FzCli *cli, int argc, char **argv, int *i)
{
  const char *word = argv[*i];
  bool is_long = word[1] == '-';
  const char *name = word + (is_long ? 2 : 1);
  const char *equals = is_long ? strchr (name, '=') : NULL;
  size_t n = equals != NULL ? (size_t) (equals - name) : strlen (name);
  const FzCliOption *option = find_option (cli->verb, name, n, is_long ? 0 : name[0]);
  const char *value = equals != NULL ? equals + 1 : NULL;

  if (option == NULL)
    return fz_cli_usage (cli, _ ("unknown option %s"), word);
  if (!is_long && n > 1)
    value = name + 1; /* -t5 */
  if (option->word == FZ_CLI_WORD_NONE)
    return value == NULL ? store (cli, option, "")
                         : fz_cli_usage (cli, _ ("--%s takes no value"), option->name);
  if (value == NULL && *i + 1 < argc)
    value = argv[++*i];
  if (value == NULL)
    return fz_cli_usage (cli, _ ("--%s needs a value: %s"), option->name, option->word_name);
  return store (cli, option, value);
}

static void
print_row (const char *left, const char *summary)
{
  printf ("  %-26s  %s\n", left, summary);
}

static void
print_option (const FzCliOption *option)
{
  g_autofree char *letter =
      option->letter != 0 ? g_strdup_printf ("-%c, ", option->letter) : g_strdup ("    ");
  g_autofree char *left = g_strconcat (letter,
                                       "--",
                                       option->name,
                                       option->word != FZ_CLI_WORD_NONE ? "=" : "",
                                       option->word != FZ_CLI_WORD_NONE ? option->word_name : "",
                                       NULL);

  print_row (left, _ (option->summary));
  if (option->word == FZ_CLI_WORD_CHOICE)
    print_row ("", option->choices);
}

static void
print_verb_help (const FzCliVerb *verb)
{
  printf (_ ("Usage: firezone %s"), verb->name);
  if (verb->options != NULL)
    printf (" [%s]", _ ("OPTION…"));
  if (verb->word != FZ_CLI_WORD_NONE)
    printf (" %s%s", verb->word_name, verb->n_words_max > 1 ? "…" : "");
  printf ("\n\n%s\n", _ (verb->summary));
  if (verb->word == FZ_CLI_WORD_CHOICE)
    printf ("\n%s: %s\n", verb->word_name, verb->choices);
  if (verb->options == NULL)
    return;
  printf ("\n%s\n", _ ("Options:"));
  for (const FzCliOption *option = verb->options; option->name != NULL; option++)
    print_option (option);
}

static int
check_words (const FzCli *cli)
{
  unsigned n = g_strv_length (cli->arguments);
  const FzCliVerb *verb = cli->verb;

  if (n < verb->n_words_min)
    return fz_cli_usage (cli, _ ("%s is missing"), verb->word_name);
  if (n > verb->n_words_max)
    return fz_cli_usage (cli, _ ("unexpected argument \"%s\""), cli->arguments[verb->n_words_max]);
  /* of config only the first is a choice */
  for (unsigned i = 0; i < n && verb->word == FZ_CLI_WORD_CHOICE; i++)
    if ((i == 0 || verb->run != fz_cli_config) && !is_choice (verb->choices, cli->arguments[i]))
      return fz_cli_usage (cli, _ ("\"%s\" is not one of: %s"), cli->arguments[i], verb->choices);
  return FZ_CLI_OK;
}

int
fz_cli_verbs_parse (FzCli *cli, int argc, char **argv, bool *out_is_help)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  bool takes_options = true;

  *out_is_help = false;
  for (int i = 0; i < argc; i++) {
    if (takes_options && strcmp (argv[i], "--") == 0) {
      takes_options = false;
    } else if (takes_options && (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0)) {
      print_verb_help (cli->verb);
      *out_is_help = true;
      return FZ_CLI_OK;
    } else if (takes_options && argv[i][0] == '-' && argv[i][1] != '\0') {
      int status = parse_option (cli, argc, argv, &i);

      if (status != FZ_CLI_OK)
        return status;
    } else {
      g_ptr_array_add (words, g_strdup (argv[i]));
    }
  }
  g_ptr_array_add (words, NULL);
  g_strfreev (cli->arguments);
  cli->arguments = (char **) g_ptr_array_free (g_steal_pointer (&words), FALSE);
  return check_words (cli);
}

void
fz_cli_verbs_print_help (void)
{
  printf ("%s\n\n%s\n\n%s\n",
          _ ("Usage: firezone COMMAND [OPTION…]"),
          _ ("Steers the tunnel of this computer, as the app does."),
          _ ("Commands:"));
  for (const FzCliVerb *verb = verbs; verb->name != NULL; verb++) {
    g_autofree char *left = NULL;

    if (verb->summary == NULL)
      continue;
    left = g_strconcat (verb->name,
                        verb->word != FZ_CLI_WORD_NONE ? " " : "",
                        verb->word != FZ_CLI_WORD_NONE ? verb->word_name : "",
                        NULL);
    print_row (left, _ (verb->summary));
  }
  printf ("\n%s\n\n%s\n",
          _ ("\"firezone COMMAND --help\" tells more about each; so does firezone(1)."),
          _ ("Exit status: 0 done, 1 failed, 2 wrong usage, 3 not connected, 4 not authorized, "
             "5 not in time."));
}

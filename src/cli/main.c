/* main.c: firezone
 *
 * Finds the verb, reads its words, runs it.
 */
#include "src/cli/fz-cli-agent.h"
#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-verbs.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
fz_cli_has (const FzCli *self, const char *option)
{
  return g_hash_table_contains (self->options, option);
}

const char *
fz_cli_get (const FzCli *self, const char *option)
{
  return g_hash_table_lookup (self->options, option);
}

int
fz_cli_usage (const FzCli *self, const char *format, ...)
{
  g_autofree char *words = NULL;
  va_list args;

  va_start (args, format);
  words = g_strdup_vprintf (format, args);
  va_end (args);
  fprintf (stderr,
           _ ("firezone %s: %s\n\"firezone %s --help\" tells more.\n"),
           self->verb->name,
           words,
           self->verb->name);
  return FZ_CLI_USAGE;
}

bool
fz_cli_get_seconds (const FzCli *self, const char *option, unsigned fallback_ms, unsigned *out_ms)
{
  const char *text = fz_cli_get (self, option);
  char *end = NULL;
  double seconds;

  *out_ms = fallback_ms;
  if (text == NULL)
    return true;
  seconds = g_ascii_strtod (text, &end);
  if (*text == '\0' || *end != '\0' || !isfinite (seconds) || seconds < 0 || seconds > 86400) {
    fz_cli_usage (self, _ ("--%s: \"%s\" is not a time of 0 to 86400 seconds"), option, text);
    return false;
  }
  *out_ms = (unsigned) (seconds * 1000);
  return true;
}

static void
set_language (void)
{
  const char *folder = g_getenv ("FZ_LOCALEDIR"); /* for what is not installed */

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, folder != NULL ? folder : FZ_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
}

static int
run (const FzCliVerb *verb, int argc, char **argv)
{
  FzCli cli = {
    .verb = verb,
    .options = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free),
    .arguments = g_new0 (char *, 1),
  };
  bool is_help;
  int status = fz_cli_verbs_parse (&cli, argc, argv, &is_help);

  if (status == FZ_CLI_OK && !is_help)
    status = verb->run (&cli);
  fz_cli_agent_stop ();
  g_clear_object (&cli.manager);
  g_clear_object (&cli.bus);
  g_hash_table_unref (cli.options);
  g_strfreev (cli.arguments);
  return status;
}

/* A full disk or a closed pipe is a failure like any other. */
static int
close_output (int status)
{
  if (fflush (stdout) == 0 && ferror (stdout) == 0)
    return status;
  if (errno != EPIPE)
    fprintf (stderr, _ ("firezone: cannot write: %s\n"), g_strerror (errno));
  return status != FZ_CLI_OK ? status : FZ_CLI_ERROR;
}

int
main (int argc, char **argv)
{
  const char *word = argc > 1 ? argv[1] : NULL;
  const FzCliVerb *verb;

  set_language ();
  signal (SIGPIPE, SIG_IGN);
  g_set_prgname ("firezone");
  fz_cli_print_init ();

  if (word == NULL) {
    fputs (_ ("firezone: which command? \"firezone --help\" lists them.\n"), stderr);
    return FZ_CLI_USAGE;
  }
  if (strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0 || strcmp (word, "help") == 0) {
    fz_cli_verbs_print_help ();
    return close_output (FZ_CLI_OK);
  }
  if (strcmp (word, "--version") == 0 || strcmp (word, "version") == 0) {
    puts ("firezone " FZ_VERSION);
    return close_output (FZ_CLI_OK);
  }
  verb = fz_cli_verbs_find (word);
  if (verb == NULL) {
    fprintf (stderr,
             _ ("firezone: there is no command \"%s\"; \"firezone --help\" lists them.\n"),
             word);
    return FZ_CLI_USAGE;
  }
  return close_output (run (verb, argc - 2, argv + 2));
}

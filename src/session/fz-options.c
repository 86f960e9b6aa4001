#include "src/session/fz-options.h"

#include "src/runtime/fz-host.h"
#include "src/session/fz-duration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
fz_options_die (const char *format, ...)
{
  va_list args;

  fprintf (stderr, "%s: ", g_get_prgname ());
  va_start (args, format);
  vfprintf (stderr, format, args);
  va_end (args);
  fprintf (stderr, "\nTry '%s --help'.\n", g_get_prgname ());
  exit (FZ_EXIT_USAGE);
}

/* Before anything else may print the command line. */
static void
refuse_token (int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    bool is_joined = g_str_has_prefix (argv[i], "--token=");

    if (!is_joined && strcmp (argv[i], "--token") != 0)
      continue;
    if (is_joined)
      memset (argv[i] + strlen ("--token"), '\0', strlen (argv[i]) - strlen ("--token"));
    else if (i + 1 < argc)
      memset (argv[i + 1], '\0', strlen (argv[i + 1]));
    fz_options_die ("Unknown option --token: a token on the command line would show in process "
                    "lists. Set FIREZONE_TOKEN, or use a token file");
  }
}

void
fz_options_parse (const char *parameters,
                  const char *summary,
                  const char *description,
                  const char *component,
                  const GOptionEntry *entries,
                  int *argc,
                  char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (parameters);
  g_autoptr (GError) error = NULL;
  gboolean wants_version = FALSE;
  const GOptionEntry common[] = {
    { "version", 'V', 0, G_OPTION_ARG_NONE, &wants_version, "Print the version and exit", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (g_get_prgname () == NULL) {
    g_autofree char *name = g_path_get_basename ((*argv)[0]);

    g_set_prgname (name);
  }
  refuse_token (*argc, *argv);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, common, NULL);
  if (!g_option_context_parse (context, argc, argv, &error))
    fz_options_die ("%s", error->message);
  if (wants_version) {
    printf ("%s %s (%s)\n", g_get_prgname (), FZ_VERSION, component);
    exit (EXIT_SUCCESS);
  }
}

void
fz_options_text (char **value, const char *variable, const char *fallback)
{
  const char *from_environment = variable != NULL ? getenv (variable) : NULL;

  if (*value != NULL)
    return;
  if (from_environment != NULL && *from_environment != '\0')
    *value = g_strdup (from_environment);
  else
    *value = g_strdup (fallback);
}

void
fz_options_flag (gboolean *value, const char *variable)
{
  static const char *const no[] = { "", "0", "f", "false", "n", "no", "off", NULL };
  const char *text = getenv (variable);
  g_autofree char *lower = NULL;

  if (*value || text == NULL)
    return;
  lower = g_ascii_strdown (text, -1);
  *value = !g_strv_contains (no, lower);
}

uint64_t
fz_options_duration (char **value, const char *variable, uint64_t fallback_ns)
{
  uint64_t ns = fallback_ns;

  fz_options_text (value, variable, NULL);
  if (*value != NULL && !fz_duration_parse (*value, &ns))
    fz_options_die ("'%s' is not a length of time; write 5m, 1h or 30d", *value);
  return ns;
}

uint32_t
fz_options_bytes (const char *variable)
{
  const char *text = getenv (variable);
  guint64 bytes = 0;

  if (text == NULL || *text == '\0')
    return 0;
  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT32, &bytes, NULL))
    fz_options_die ("%s='%s' is not a number of bytes", variable, text);
  return (uint32_t) bytes;
}

unsigned
fz_options_lanes (const char *value, const char *variable)
{
  const char *text = value != NULL ? value : getenv (variable);
  guint64 n = 0;

  if (text == NULL || *text == '\0')
    return 0;
  if (!g_ascii_string_to_unsigned (text, 10, 1, FZ_HOST_LANES_MAX, &n, NULL))
    fz_options_die ("'%s' is not a number of lanes; write 1 to %u", text, FZ_HOST_LANES_MAX);
  return (unsigned) n;
}

FzLogFormat
fz_options_log_format (const char *value)
{
  if (value == NULL)
    return isatty (STDOUT_FILENO) ? FZ_LOG_FORMAT_HUMAN : FZ_LOG_FORMAT_JSON;
  if (strcmp (value, "json") == 0)
    return FZ_LOG_FORMAT_JSON;
  if (strcmp (value, "human") == 0)
    return FZ_LOG_FORMAT_HUMAN;
  fz_options_die ("'%s' is not a log format; choose json or human", value);
}

char *
fz_options_dup_log_filter (bool has_flow_logs)
{
  g_autofree char *filter = g_strdup (g_getenv ("RUST_LOG"));

  fz_options_text (&filter, NULL, "info");
  return has_flow_logs ? g_strconcat (filter, ",flow_logs=trace", NULL) : g_steal_pointer (&filter);
}

void
fz_options_warn_without_effect (const FzLog *log, bool is_given, const char *option)
{
  if (is_given)
    fz_log (log,
            FZ_LOG_WARNING,
            "option-without-effect",
            "an option is accepted for compatibility but does nothing in this version",
            FZ_KV_TEXT ("option", option));
}

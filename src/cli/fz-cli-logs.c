/* fz-cli-logs.c: firezone logs
 *
 * The service's log file by passed descriptor, through src/logfile. Following outlives rotation:
 * the old file is read to its end, then the service is asked for the new one.
 */
#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-verbs.h"
#include "src/logfile/fz-log-entry.h"
#include "src/logfile/fz-log-query.h"
#include "src/logfile/fz-log-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SILENCE_S 2u /* until the service is asked again */

typedef struct {
  FzCli *cli;
  FzLogQuery *query;
  FzLogIndex *index;
  FzLogWatch *watch;
  GMainLoop *loop;
  uint32_t n_printed; /* lines of the index that have been looked at */
  bool was_silent;    /* nothing came since the last tick */
  int status;
} Logs;

static FzLogIndex *
open_log (FzCli *cli, GError **error)
{
  GVariant *options = g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
  int fd = -1;
  g_autoptr (GVariant) reply = fz_cli_service_call (
      cli, "Diagnostics.OpenLog", g_variant_new ("(@a{sv})", options), -1, -1, &fd, error);

  return reply != NULL ? fz_log_index_take_fd (fd, error) : NULL;
}

static FzCliStyle
get_style (uint8_t level)
{
  switch (level) {
  case FZ_LOG_ERROR:
    return FZ_CLI_RED;
  case FZ_LOG_WARNING:
    return FZ_CLI_YELLOW;
  case FZ_LOG_DEBUG:
  case FZ_LOG_TRACE:
    return FZ_CLI_DIM;
  default:
    return FZ_CLI_PLAIN;
  }
}

static void
print_line (const Logs *logs, uint32_t line)
{
  g_autoptr (FzLogEntry) entry = fz_log_entry_read (logs->index, line);
  g_autofree char *text = NULL;
  g_autofree char *painted = NULL;

  if (fz_cli_has (logs->cli, "json")) {
    text = fz_log_entry_to_json (entry);
    puts (text);
    return;
  }
  text = fz_log_entry_to_text (entry);
  painted = fz_cli_paint (get_style (entry->level), text);
  puts (painted);
}

/* Reads what is new and prints what fits; of the first look at most the last @n_max. */
static bool
print_new (Logs *logs, uint32_t n_max, GError **error)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  uint32_t end, first;

  if (!fz_log_index_grow (logs->index, 0, NULL, NULL, error))
    return false;
  end = fz_log_index_get_n_lines (logs->index);
  if (end > 0 && fz_log_index_ends_torn (logs->index) && fz_cli_has (logs->cli, "follow"))
    end--; /* is being written */
  if (end < logs->n_printed)
    return true;
  if (!fz_log_query_run (logs->query, logs->index, logs->n_printed, end, NULL, rows, error))
    return false;
  first = rows->len > n_max ? rows->len - n_max : 0;
  for (uint32_t i = first; i < rows->len && ferror (stdout) == 0; i++)
    print_line (logs, g_array_index (rows, uint32_t, i));
  logs->n_printed = end;
  fflush (stdout);
  return true;
}

/* -- following -- */

static void
stop (Logs *logs, const GError *error)
{
  logs->status = error != NULL ? fz_cli_service_fail (error) : FZ_CLI_OK;
  g_main_loop_quit (logs->loop);
}

static void
on_change (FzLogFileState state, gpointer user_data)
{
  Logs *logs = user_data;
  g_autoptr (GError) error = NULL;

  logs->was_silent = false;
  if (!print_new (logs, UINT32_MAX, &error))
    stop (logs, error);
  else if (ferror (stdout) != 0)
    stop (logs, NULL); /* nobody reads any more */
}

static void
watch_index (Logs *logs)
{
  logs->watch = fz_log_watch_new (logs->index, on_change, logs);
}

static bool
is_same_file (const FzLogIndex *a, const FzLogIndex *b)
{
  struct stat left, right;

  return fstat (fz_log_index_get_fd (a), &left) == 0 &&
         fstat (fz_log_index_get_fd (b), &right) == 0 && left.st_dev == right.st_dev &&
         left.st_ino == right.st_ino && fz_log_index_check (a) != FZ_LOG_FILE_TRUNCATED;
}

/* Takes @index: from here on this file is followed. */
static void
move_on (Logs *logs, FzLogIndex *index)
{
  g_autoptr (GError) error = NULL;

  on_change (FZ_LOG_FILE_GREW, logs); /* what the old one still got */
  g_clear_pointer (&logs->watch, fz_log_watch_free);
  g_clear_pointer (&logs->index, fz_log_index_unref);
  logs->index = index;
  logs->n_printed = 0;
  if (print_new (logs, UINT32_MAX, &error))
    watch_index (logs);
  else
    stop (logs, error);
}

static gboolean
on_tick (gpointer user_data)
{
  Logs *logs = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (FzLogIndex) now = NULL;

  if (!logs->was_silent) {
    logs->was_silent = true;
    return G_SOURCE_CONTINUE;
  }
  now = open_log (logs->cli, &error);
  if (now == NULL)
    stop (logs, error);
  else if (!is_same_file (logs->index, now))
    move_on (logs, g_steal_pointer (&now));
  return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt (gpointer user_data)
{
  stop (user_data, NULL);
  return G_SOURCE_CONTINUE;
}

/* The signals first: whoever has seen a line may interrupt. */
static void
follow (Logs *logs, uint32_t n_max)
{
  unsigned sources[] = { g_unix_signal_add (SIGINT, on_interrupt, logs),
                         g_unix_signal_add (SIGTERM, on_interrupt, logs),
                         g_timeout_add_seconds (SILENCE_S, on_tick, logs) };
  g_autoptr (GError) error = NULL;

  logs->loop = g_main_loop_new (NULL, FALSE);
  if (print_new (logs, n_max, &error)) {
    watch_index (logs);
    g_main_loop_run (logs->loop);
  } else {
    stop (logs, error);
  }
  g_clear_pointer (&logs->watch, fz_log_watch_free);
  for (size_t i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
  g_main_loop_unref (logs->loop);
}

/* -- the verb -- */

static FzLogLevel
parse_level (const char *word)
{
  static const char *const words[] = { "error", "warning", "info", "debug", "trace" };

  for (size_t i = 0; word != NULL && i < G_N_ELEMENTS (words); i++)
    if (strcmp (words[i], word) == 0)
      return (FzLogLevel) i;
  return FZ_LOG_TRACE;
}

static bool
get_n_lines (const FzCli *cli, uint32_t *out)
{
  const char *text = fz_cli_get (cli, "lines");
  guint64 n = UINT32_MAX;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 0, UINT32_MAX, &n, NULL)) {
    fz_cli_usage (cli, _ ("--%s: \"%s\" is not a number"), "lines", text);
    return false;
  }
  *out = (uint32_t) n;
  return true;
}

int
fz_cli_logs (FzCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzLogQuery) query = fz_log_query_new ();
  Logs logs = { .cli = cli, .query = query };
  uint32_t n_max;

  if (!get_n_lines (cli, &n_max))
    return FZ_CLI_USAGE;
  logs.status = fz_cli_service_open (cli);
  if (logs.status != FZ_CLI_OK)
    return logs.status;
  query->least = parse_level (fz_cli_get (cli, "level"));
  fz_log_query_set_target_prefix (query, fz_cli_get (cli, "target"));
  fz_log_query_set_text (query, fz_cli_get (cli, "grep"));

  logs.index = open_log (cli, &error);
  if (logs.index != NULL && fz_cli_has (cli, "follow"))
    follow (&logs, n_max);
  else if (logs.index == NULL || !print_new (&logs, n_max, &error))
    logs.status = fz_cli_service_fail (error);
  g_clear_pointer (&logs.index, fz_log_index_unref);
  return logs.status;
}

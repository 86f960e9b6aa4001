/* bench-logfile.c
 *
 * The log library on a file of a million lines: index, first rows, filters,
 * memory. Prints; asserts only that the answers are right.
 *
 * Usage: bench-logfile [LINES]
 */

#include "src/logfile/fz-log-entry.h"
#include "src/logfile/fz-log-search.h"
#include "tests/unit/logfile/log-lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS 5u

static double
milliseconds_since (int64_t start_us)
{
  return (double) (g_get_monotonic_time () - start_us) / 1000.0;
}

/* kB from /proc/self/status */
static long
read_memory (const char *key)
{
  g_autofree char *status = NULL;
  const char *found;

  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return -1;
  found = strstr (status, key);
  return found != NULL ? strtol (found + strlen (key), NULL, 10) : -1;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

/* As the window asks: a worker, and its helper where there are processors. */
static GArray *
ask (FzLogIndex *index, const FzLogQuery *query)
{
  g_autoptr (GAsyncResult) result = NULL;
  GArray *lines;

  fz_log_search_async (query, index, NULL, NULL, on_answer, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  lines = fz_log_search_finish (result, NULL, NULL);
  g_assert_nonnull (lines);
  return lines;
}

static void
measure_query (const char *what, FzLogIndex *index, const FzLogQuery *query)
{
  double best_ms = 1e9;
  uint32_t n_found = 0;

  for (unsigned run = 0; run < RUNS; run++) {
    int64_t start_us = g_get_monotonic_time ();
    g_autoptr (GArray) lines = ask (index, query);

    best_ms = MIN (best_ms, milliseconds_since (start_us));
    n_found = lines->len;
  }
  printf ("%-34s %8.1f ms  %8u lines\n", what, best_ms, n_found);
}

static void
measure_queries (FzLogIndex *index)
{
  const uint32_t n_lines = fz_log_index_get_n_lines (index);
  FzLogQuery query = { .least = FZ_LOG_WARNING, .from_us = INT64_MIN, .until_us = INT64_MAX };

  measure_query ("filter: warnings and errors", index, &query);
  query.least = FZ_LOG_TRACE;
  query.from_us = LOG_LINES_START_US + n_lines / 4 * LOG_LINES_STEP_US;
  query.until_us = LOG_LINES_START_US + n_lines / 2 * LOG_LINES_STEP_US;
  measure_query ("filter: a quarter of the time", index, &query);
  query.from_us = INT64_MIN;
  query.until_us = INT64_MAX;
  query.target_prefix = (char *) "re";
  measure_query ("filter: target re…", index, &query);
  query.target_prefix = NULL;
  query.text = (char *) "Packet 4711 ";
  measure_query ("filter: rare text", index, &query);
  query.text = (char *) "C1F0-00";
  measure_query ("filter: text in 1 of 256 lines", index, &query);
  query.text = (char *) "is_relayed\":true";
  measure_query ("filter: text in every other line", index, &query);
  query.text = (char *) "message";
  measure_query ("filter: text in every line", index, &query);
}

static void
measure_index (const char *path, FzLogIndex **out)
{
  double first_ms, whole_ms;
  int64_t start_us = g_get_monotonic_time ();
  g_autoptr (FzLogIndex) index = fz_log_index_open (path, NULL);

  g_assert_nonnull (index);
  g_assert_true (fz_log_index_grow (index, 1, NULL, NULL, NULL));
  for (uint32_t i = 0; i < MIN (100, fz_log_index_get_n_lines (index)); i++) {
    g_autoptr (FzLogEntry) entry = fz_log_entry_read (index, i);

    g_assert_false (entry->is_gone);
  }
  first_ms = milliseconds_since (start_us);
  g_assert_true (fz_log_index_grow (index, 0, NULL, NULL, NULL));
  whole_ms = milliseconds_since (start_us);
  printf ("%-34s %8.1f ms\n", "open and read the first 100 rows", first_ms);
  printf ("%-34s %8.1f ms  %8u lines, %.0f MB\n",
          "index",
          whole_ms,
          fz_log_index_get_n_lines (index),
          (double) fz_log_index_get_n_bytes (index) / 1e6);
  *out = g_steal_pointer (&index);
}

int
main (int argc, char **argv)
{
  const uint32_t n_lines = argc > 1 ? (uint32_t) strtoul (argv[1], NULL, 10) : 1000000;
  g_autofree char *path = log_lines_write (n_lines);
  long before_kb = read_memory ("RssAnon:");

  for (unsigned run = 0; run < 3; run++) {
    g_autoptr (FzLogIndex) index = NULL;

    measure_index (path, &index);
    g_assert_cmpuint (fz_log_index_get_n_lines (index), ==, n_lines);
    if (run < 2)
      continue;
    printf ("%-34s %8.1f MB\n",
            "anonymous memory of the index",
            (double) (read_memory ("RssAnon:") - before_kb) / 1024.0);
    measure_queries (index);
    printf ("%-34s %8.1f MB\n",
            "anonymous memory, filters and all",
            (double) read_memory ("RssAnon:") / 1024.0);
  }
  unlink (path);
  return 0;
}

/* test-metrics.c: samples, the exposition format, flat names, what a thread's turns are counted as
 */

#include "src/base/fz-drop.h"
#include "src/runtime/fz-errno-counters.h"
#include "src/runtime/fz-log-json.h"
#include "src/runtime/fz-metrics.h"
#include "src/runtime/fz-process-metrics.h"
#include "src/runtime/fz-turn-counters.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

static const FzMetricFamily packets = {
  "firezone_test_packets_total", "Packets.", FZ_METRIC_COUNTER, false, NULL
};
static const FzMetricFamily peak = {
  "firezone_test_peak", "The most.", FZ_METRIC_MAXIMUM, false, NULL
};
static const FzMetricFamily age = {
  "firezone_test_age_seconds", "Age.", FZ_METRIC_GAUGE, true, NULL
};
static const FzMetricBounds bounds = { 3, { "0.001", "0.1" }, { "1ms", "100ms", "longer" } };
static const FzMetricFamily waits = {
  "firezone_test_wait_seconds", "Waits.", FZ_METRIC_HISTOGRAM, true, &bounds
};

/* By tests/netns/exposition.py, which takes Prometheus' own reader for a second opinion. */
static void
assert_is_valid (const char *text)
{
  const char *const argv[] = { "/usr/bin/python3", g_getenv ("FZ_EXPOSITION"), NULL };
  g_autoptr (GSubprocess) judge = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *words = NULL, *complaint = NULL;

  g_assert_nonnull (argv[1]);
  judge = g_subprocess_newv (argv,
                             G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                 G_SUBPROCESS_FLAGS_STDERR_PIPE,
                             &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (judge, text, NULL, &words, &complaint, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (complaint, ==, "");
  g_assert_true (g_subprocess_get_successful (judge));
  g_test_message ("%s", words);
}

static void
test_flat (void)
{
  g_autoptr (FzMetrics) metrics = fz_metrics_new ();
  g_autofree char *text = NULL, *json = NULL;

  fz_metrics_add (metrics, &packets, FZ_METRIC_LABELS ({ "a", "1" }), "tx", "packets", 3);
  fz_metrics_add (metrics, &packets, FZ_METRIC_LABELS ({ "a", "2" }), "tx", "nothing", 0);
  fz_metrics_add (metrics, &packets, FZ_METRIC_LABELS ({ "a", "3" }), NULL, "drop-bad-tag", 1);
  fz_metrics_add (metrics, &packets, FZ_METRIC_LABELS ({ "a", "4" }), "tx", "packets", 4);
  fz_metrics_add (metrics, &packets, FZ_METRIC_LABELS ({ "a", "5" }), "tx", NULL, 4);
  fz_metrics_add (metrics, &peak, FZ_METRIC_LABELS ({ "a", "1" }), NULL, "peak", 8);
  fz_metrics_add (metrics, &peak, FZ_METRIC_LABELS ({ "a", "2" }), NULL, "peak", 5);
  text = fz_metrics_to_text (metrics);
  json = fz_metrics_to_json (metrics);
  g_assert_cmpstr (text, ==, "tx_packets 7\ndrop_bad_tag 1\npeak 8\n");
  g_assert_cmpstr (json, ==, "{\"tx_packets\":7,\"drop_bad_tag\":1,\"peak\":8}");
}

/* Families stay together however they are added; zeros and every escape are there. */
static void
test_exposition (void)
{
  g_autoptr (FzMetrics) metrics = fz_metrics_new ();
  const _Atomic uint64_t buckets[3] = { 2, 0, 5 };
  g_autofree char *text = NULL;

  fz_metrics_add (metrics, &packets, FZ_METRIC_LABELS ({ "name", "a\"b\\c\nd" }), NULL, NULL, 0);
  fz_metrics_add (metrics, &age, NULL, NULL, NULL, 12000000034);
  fz_metrics_add (metrics, &packets, FZ_METRIC_LABELS ({ "name", "é" }), NULL, NULL, UINT64_MAX);
  fz_metrics_add_histogram (metrics, &waits, NULL, NULL, buckets, 1500000000);
  text = fz_metrics_to_prometheus (metrics);
  g_assert_cmpstr (text,
                   ==,
                   "# HELP firezone_test_packets_total Packets.\n"
                   "# TYPE firezone_test_packets_total counter\n"
                   "firezone_test_packets_total{name=\"a\\\"b\\\\c\\nd\"} 0\n"
                   "firezone_test_packets_total{name=\"é\"} 18446744073709551615\n"
                   "# HELP firezone_test_age_seconds Age.\n"
                   "# TYPE firezone_test_age_seconds gauge\n"
                   "firezone_test_age_seconds 12.000000034\n"
                   "# HELP firezone_test_wait_seconds Waits.\n"
                   "# TYPE firezone_test_wait_seconds histogram\n"
                   "firezone_test_wait_seconds_bucket{le=\"0.001\"} 2\n"
                   "firezone_test_wait_seconds_bucket{le=\"0.1\"} 2\n"
                   "firezone_test_wait_seconds_bucket{le=\"+Inf\"} 7\n"
                   "firezone_test_wait_seconds_sum 1.500000000\n"
                   "firezone_test_wait_seconds_count 7\n");
  assert_is_valid (text);
}

static void
test_lanes (void)
{
  g_autoptr (FzMetrics) metrics = fz_metrics_new ();
  const _Atomic uint64_t buckets[3] = { 1, 1, 1 };
  g_autofree char *text = NULL, *flat = NULL;

  for (unsigned i = 0; i < 2; i++) {
    char lane[2] = { (char) ('0' + i), '\0' };

    fz_metrics_set_lane (metrics, lane, true);
    fz_metrics_add (
        metrics, &packets, FZ_METRIC_LABELS ({ "direction", "transmit" }), "tx", "packets", i + 1);
    fz_metrics_add_histogram (metrics, &waits, NULL, "tx", buckets, i);
  }
  fz_metrics_set_lane (metrics, NULL, false);
  fz_metrics_add (metrics, &age, NULL, NULL, "age", 5);
  text = fz_metrics_to_prometheus (metrics);
  flat = fz_metrics_to_text (metrics);
  g_assert_nonnull (
      strstr (text, "firezone_test_packets_total{lane=\"1\",direction=\"transmit\"} 2\n"));
  g_assert_nonnull (strstr (text, "firezone_test_wait_seconds_bucket{lane=\"0\",le=\"+Inf\"} 3\n"));
  g_assert_true (g_str_has_prefix (flat, "tx_packets 3\nlane0_tx_packets 1\ntx_1ms 2\n"));
  g_assert_true (g_str_has_suffix (flat, "\nage 5\n"));
  assert_is_valid (text);
}

/* -- the log -- */

/* What the log's file has after @metrics were logged to it. */
static char *
log_metrics (const FzMetrics *metrics)
{
  g_autofree char *folder = NULL, *path = NULL;
  char *text = NULL;
  GError *error = NULL;

  folder = g_dir_make_tmp ("fz-metrics-XXXXXX", &error);
  g_assert_no_error (error);
  path = g_build_filename (folder, "program.log", NULL);
  {
    FzLogJsonConfig config = { .path = path, .format = FZ_LOG_FORMAT_JSON, .filter = "info" };
    g_autoptr (FzLogJson) sink = fz_log_json_new (&config, &error);
    FzLog log = { 0 };

    g_assert_no_error (error);
    log = fz_log_json_get (sink, "host");
    fz_metrics_log (metrics, &log, "metrics", "totals since the start");
  }
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_unlink (path);
  g_rmdir (folder);
  return text;
}

/* As the host names them: each reason for each direction and each error of each door. */
static void
add_everything (FzMetrics *metrics, uint64_t value)
{
  static const char *const halves[] = { "tx", "rx", "engine" };
  static const char *const doors[] = { "udp_send",  "udp_receive", "tun_read",
                                       "tun_write", "engine_udp",  "engine_tun" };
  const _Atomic uint64_t buckets[3] = { value, value, value };

  for (size_t i = 0; i < G_N_ELEMENTS (halves); i++)
    for (int reason = FZ_DROP_NONE + 1; reason < FZ_N_DROPS; reason++) {
      g_autofree char *name = g_strdup_printf ("drop_%s", fz_drop_name ((FzDrop) reason));

      fz_metrics_add (metrics, &packets, NULL, halves[i], name, value);
    }
  for (size_t i = 0; i < G_N_ELEMENTS (doors); i++)
    for (unsigned j = 0; j < 12; j++) {
      g_autofree char *name = g_strdup_printf ("something_%u", j);

      fz_metrics_add (metrics, &packets, NULL, doors[i], name, value);
      fz_metrics_add_histogram (metrics, &waits, NULL, doors[i], buckets, value);
    }
}

static FzMetrics *
eight_busy_lanes (uint64_t value)
{
  FzMetrics *metrics = fz_metrics_new ();

  for (unsigned i = 0; i < 8; i++) {
    char lane[2] = { (char) ('0' + i), '\0' };

    fz_metrics_set_lane (metrics, lane, true);
    add_everything (metrics, value);
  }
  fz_metrics_set_lane (metrics, NULL, false);
  return metrics;
}

static void
test_log (void)
{
  const uint64_t values[] = { 125000, UINT64_MAX / 8 };
  const size_t n_records[] = { 1, 2 };

  for (size_t i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (FzMetrics) metrics = eight_busy_lanes (values[i]);
    g_autofree char *text = log_metrics (metrics);
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    g_autofree char *last = NULL;

    last = g_strdup_printf ("\"engine_tun_something_11\":%" G_GUINT64_FORMAT, values[i] * 8);
    g_test_message ("%zu bytes", strlen (text));
    g_assert_nonnull (strstr (text, "\"tx_drop_"));
    g_assert_nonnull (strstr (text, last));
    g_assert_null (strstr (text, "truncated\":true"));
    g_assert_null (strstr (text, "\"lane"));
    g_assert_null (strstr (text, "100ms"));
    g_assert_cmpuint (g_strv_length (lines), ==, n_records[i] + 1); /* nothing behind the last */
  }
}

static void
test_process (void)
{
  g_autoptr (FzMetrics) metrics = fz_metrics_new ();
  g_autofree char *text = NULL;
  const char *at;
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;

  fz_process_metrics_add (metrics);
  text = fz_metrics_to_prometheus (metrics);
  assert_is_valid (text);
  at = strstr (text, "\nprocess_start_time_seconds ");
  g_assert_nonnull (at);
  g_assert_cmpint (g_ascii_strtoll (at + 28, NULL, 10), <=, now_s + 1);
  g_assert_cmpint (g_ascii_strtoll (at + 28, NULL, 10), >, now_s - 3600);
  at = strstr (text, "\nprocess_resident_memory_bytes ");
  g_assert_nonnull (at);
  g_assert_cmpuint (g_ascii_strtoull (at + 31, NULL, 10), >, 1 << 20);
}

static void
test_errno (void)
{
  FzErrnoCounters counters = { 0 };

  fz_errno_counters_add (&counters, ENOBUFS);
  fz_errno_counters_add (&counters, ENOBUFS);
  fz_errno_counters_add (&counters, ELOOP);
  for (unsigned i = 0; i < FZ_ERRNO_COUNTERS_N; i++) {
    const char *name = fz_errno_counters_name (i);
    uint64_t expected = g_str_equal (name, "ENOBUFS") ? 2 : g_str_equal (name, "other") ? 1 : 0;

    g_assert_cmpuint (counters.n[i], ==, expected);
  }
}

static void
test_turns (void)
{
  FzTurnCounters counters = { 0 };
  FzTurn turn = { 0 };

  fz_turn_begin (&turn, &counters, 1000);
  turn.n_works = 3;
  fz_turn_begin (&turn, &counters, 1000 + 10 * FZ_US); /* ends the first, at the bound */
  turn.n_works = 65;
  fz_turn_end (&turn, &counters, 1000 + 10 * FZ_US + FZ_S);
  fz_turn_begin (&turn, &counters, 5 * FZ_S); /* the time asleep is nobody's */
  fz_turn_end (&turn, &counters, 5 * FZ_S);
  g_assert_cmpuint (counters.turns, ==, 3);
  g_assert_cmpuint (counters.times[0], ==, 2);
  g_assert_cmpuint (counters.times[FZ_N_TURN_TIMES - 1], ==, 1);
  g_assert_cmpuint (counters.busy_ns, ==, FZ_S + 10 * FZ_US);
  g_assert_cmpuint (counters.longest_ns, ==, FZ_S);
  g_assert_cmpuint (counters.works[0], ==, 1);
  g_assert_cmpuint (counters.works[2], ==, 1);
  g_assert_cmpuint (counters.works[FZ_N_TURN_WORKS - 1], ==, 1);
  g_assert_cmpuint (counters.n_works, ==, 68);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/flat", test_flat);
  g_test_add_func ("/metrics/exposition", test_exposition);
  g_test_add_func ("/metrics/lanes", test_lanes);
  g_test_add_func ("/metrics/log", test_log);
  g_test_add_func ("/metrics/process", test_process);
  g_test_add_func ("/metrics/errno", test_errno);
  g_test_add_func ("/metrics/turns", test_turns);
  return g_test_run ();
}

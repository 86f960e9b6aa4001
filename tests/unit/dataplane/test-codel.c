/* test-codel.c: fz-codel.h */

#include "src/dataplane/fz-codel.h"

#include <glib.h>

#define AT_MAX 128u

static const FzCodelConfig config = { .target_ns = 2 * FZ_MS, .interval_ns = 40 * FZ_MS };

/* Departures every millisecond from @from to @until (ms), each after @sojourn_ns; when signals came
 * goes to @out (ms). Returns their number. */
static size_t
run (FzCodel *codel, unsigned from, unsigned until, uint64_t sojourn_ns, unsigned out[AT_MAX])
{
  size_t n = 0;

  for (unsigned ms = from; ms < until; ms++)
    if (fz_codel_should_signal (codel, &config, sojourn_ns, true, ms * FZ_MS)) {
      g_assert_cmpuint (n, <, AT_MAX);
      out[n++] = ms;
    }
  return n;
}

static void
test_short_waits_are_never_signalled (void)
{
  FzCodel codel = { 0 };
  unsigned at[AT_MAX];

  g_assert_cmpuint (run (&codel, 1, 10000, config.target_ns - 1, at), ==, 0);
}

static void
test_a_burst_is_not_signalled (void)
{
  FzCodel codel = { 0 };
  unsigned at[AT_MAX];

  for (unsigned ms = 1; ms < 2000; ms += 41) {
    g_assert_cmpuint (run (&codel, ms, ms + 40, 30 * FZ_MS, at), ==, 0);
    g_assert_false (fz_codel_should_signal (&codel, &config, 0, true, (ms + 40) * FZ_MS));
  }
}

static void
test_the_last_one_is_not_signalled (void)
{
  FzCodel codel = { 0 };

  for (unsigned ms = 1; ms < 2000; ms++)
    g_assert_false (fz_codel_should_signal (&codel, &config, 50 * FZ_MS, false, ms * FZ_MS));
}

/* RFC 8289 §5.5: the n-th signal's distance to the next is interval / sqrt (n). */
static void
test_signals_come_closer (void)
{
  static const unsigned expected[] = { 140, 180, 209, 232, 252, 270 };
  FzCodel codel = { 0 };
  unsigned at[AT_MAX];

  g_assert_cmpuint (run (&codel, 100, 271, 3 * FZ_MS, at), ==, G_N_ELEMENTS (expected));
  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpuint (at[i], ==, expected[i]);
}

static void
test_a_short_wait_ends_it (void)
{
  FzCodel codel = { 0 };
  unsigned at[AT_MAX];

  g_assert_cmpuint (run (&codel, 100, 300, 3 * FZ_MS, at), >, 5);
  g_assert_false (fz_codel_should_signal (&codel, &config, FZ_MS, true, 300 * FZ_MS));
  g_assert_cmpuint (run (&codel, 301, 341, 3 * FZ_MS, at), ==, 0);
}

/* What an episode has found to be enough, one that follows soon need not find again. */
static void
test_it_remembers (void)
{
  FzCodel codel = { 0 }, fresh = { 0 };
  unsigned at[AT_MAX];
  size_t n_first, n_second;

  n_first = run (&codel, 100, 500, 3 * FZ_MS, at);
  run (&codel, 500, 510, 0, at);
  n_second = run (&codel, 510, 910, 3 * FZ_MS, at);
  g_assert_cmpuint (n_second, >, n_first);

  run (&fresh, 100, 500, 3 * FZ_MS, at);
  run (&fresh, 500, 2000, 0, at);
  g_assert_cmpuint (run (&fresh, 2000, 2400, 3 * FZ_MS, at), ==, n_first);
}

/* A sender that fills a queue served at one packet per 100 us, grows by one packet in flight per
 * round trip and halves at a signal: its queue must come to stay near the target. */
static void
test_a_sender_is_governed (void)
{
  FzCodel codel = { 0 };
  double in_flight = 10;
  uint64_t now = FZ_S, standing = 0, n_standing = 0;
  const double in_the_pipe = 100; /* 10 ms at that rate */

  for (unsigned i = 0; i < 600000; i++) {
    double queued = MAX (in_flight - in_the_pipe, 0);
    uint64_t sojourn = (uint64_t) (queued * 100 * FZ_US);

    now += 100 * FZ_US;
    if (fz_codel_should_signal (&codel, &config, sojourn, queued >= 2, now))
      in_flight /= 2;
    else
      in_flight += 1 / in_flight;
    if (i >= 100000) {
      standing += sojourn;
      n_standing++;
    }
  }
  g_assert_cmpuint (standing / n_standing, <, 5 * FZ_MS);
  g_assert_cmpfloat (in_flight, >, in_the_pipe / 4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/codel/short-waits", test_short_waits_are_never_signalled);
  g_test_add_func ("/codel/burst", test_a_burst_is_not_signalled);
  g_test_add_func ("/codel/last-one", test_the_last_one_is_not_signalled);
  g_test_add_func ("/codel/closer", test_signals_come_closer);
  g_test_add_func ("/codel/end", test_a_short_wait_ends_it);
  g_test_add_func ("/codel/memory", test_it_remembers);
  g_test_add_func ("/codel/sender", test_a_sender_is_governed);
  return g_test_run ();
}

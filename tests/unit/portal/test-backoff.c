#include "src/portal/fz-backoff.h"

#include <glib.h>

/* The policy without its jitter. */
static FzBackoffPolicy
steady (uint64_t budget_ns)
{
  FzBackoffPolicy policy = fz_backoff_reconnect (budget_ns);

  g_assert_true (policy.has_jitter);
  policy.has_jitter = false;
  return policy;
}

static void
test_first_connect (void)
{
  FzBackoff backoff;
  uint64_t delay_ns = 0;

  fz_backoff_init (&backoff, fz_backoff_first_connect);
  for (int i = 0; i < 15; i++) {
    g_assert_true (fz_backoff_next (&backoff, NULL, &delay_ns)); /* asks for no randomness */
    g_assert_cmpuint (delay_ns, ==, 1 * FZ_S);
  }
  delay_ns = 42;
  g_assert_false (fz_backoff_next (&backoff, NULL, &delay_ns));
  g_assert_cmpuint (delay_ns, ==, 42);
}

static void
test_growth (void)
{
  static const uint64_t expected_us[] = {
    500000,  750000,   1125000,  1687500,  2531250,  3796875,  5695312,
    8542968, 12814453, 19221679, 28832519, 43248779, 60000000, 60000000,
  };
  FzBackoff backoff;

  fz_backoff_init (&backoff, steady (FZ_BACKOFF_UNLIMITED));
  for (size_t i = 0; i < G_N_ELEMENTS (expected_us); i++) {
    uint64_t delay_ns = 0;

    g_assert_true (fz_backoff_next (&backoff, NULL, &delay_ns));
    g_assert_cmpuint (delay_ns / FZ_US, ==, expected_us[i]);
  }
}

static void
test_jitter (void)
{
  FzSeededRng seeded;
  FzRng rng;
  uint64_t least = UINT64_MAX, most = 0;

  fz_seeded_rng_init (&seeded, 7);
  rng = fz_seeded_rng (&seeded);
  for (int i = 0; i < 1000; i++) {
    FzBackoff backoff;
    uint64_t delay_ns = 0;

    fz_backoff_init (&backoff, fz_backoff_reconnect (FZ_BACKOFF_UNLIMITED));
    g_assert_true (fz_backoff_next (&backoff, &rng, &delay_ns));
    least = MIN (least, delay_ns);
    most = MAX (most, delay_ns);
  }
  g_assert_cmpuint (least, >=, 500 * FZ_MS);
  g_assert_cmpuint (least, <, 510 * FZ_MS);
  g_assert_cmpuint (most, <, 1000 * FZ_MS);
  g_assert_cmpuint (most, >, 990 * FZ_MS);
}

static void
test_budget (void)
{
  static const struct {
    uint64_t budget_ns;
    int n_delays;
    const char *why;
  } rows[] = {
    { 0, 0, "no patience at all" },
    { 500 * FZ_MS, 1, "exactly the first delay" },
    { 500 * FZ_MS - 1, 0, "one nanosecond less" },
    { 1250 * FZ_MS, 2, "0.5 + 0.75" },
    { 5 * 60 * FZ_S, 14, "five minutes: 128.2 s in 12, then 60 s each" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzBackoff backoff;
    uint64_t delay_ns, sum_ns = 0;
    int n = 0;

    fz_backoff_init (&backoff, steady (rows[i].budget_ns));
    for (; fz_backoff_next (&backoff, NULL, &delay_ns); n++)
      sum_ns += delay_ns;
    g_assert_cmpuint (sum_ns, <=, rows[i].budget_ns);
    if (n != rows[i].n_delays)
      g_error ("%s: %d delays", rows[i].why, n);
  }
}

static void
test_unlimited (void)
{
  FzSeededRng seeded;
  FzRng rng;
  FzBackoff backoff;
  uint64_t delay_ns = 0;

  fz_seeded_rng_init (&seeded, 3);
  rng = fz_seeded_rng (&seeded);
  fz_backoff_init (&backoff, fz_backoff_reconnect (FZ_BACKOFF_UNLIMITED));
  for (int i = 0; i < 100000; i++)
    g_assert_true (fz_backoff_next (&backoff, &rng, &delay_ns));
  g_assert_cmpuint (delay_ns, <, 120 * FZ_S);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backoff/first-connect", test_first_connect);
  g_test_add_func ("/backoff/growth", test_growth);
  g_test_add_func ("/backoff/jitter", test_jitter);
  g_test_add_func ("/backoff/budget", test_budget);
  g_test_add_func ("/backoff/unlimited", test_unlimited);
  return g_test_run ();
}

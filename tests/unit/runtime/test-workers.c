/* test-workers.c: jobs come back in order, whoever does them, and none is lost. */

#include "src/crypto/fz-crypto.h"
#include "src/runtime/fz-workers.h"

#include <glib.h>
#include <poll.h>

#define N 600u

/* Garbage from the wire: opening it fails, after the curve. */
static FzHandshakeJob *
make_job (FzIdentity *identity, uint32_t number)
{
  uint8_t datagram[FZ_WIREGUARD_INITIATION_SIZE] = { FZ_WIREGUARD_INITIATION };
  FzEndpoint origin = { .generation = number };

  datagram[8] = 9;
  return fz_handshake_job_new (identity, fz_span (datagram, sizeof datagram), &origin);
}

static FzHandshakeJob *
wait_for_job (FzWorkers *workers, FzBell *bell)
{
  struct pollfd polled = { .fd = bell->fd, .events = POLLIN };

  for (;;) {
    fz_bell_arm (bell, FZ_BELL_TAPS);
    if (fz_workers_has_done (workers))
      return fz_workers_take (workers);
    poll (&polled, 1, -1);
    fz_bell_answer (bell);
  }
}

static void
test_order (void)
{
  FzRng rng = fz_crypto_rng ();
  g_autoptr (FzIdentity) identity = fz_identity_new (NULL, &rng);

  for (unsigned n_cpus = 1; n_cpus <= 8; n_cpus += 7) {
    FzBell bell;
    FzWorkers *workers;

    g_assert_true (fz_bell_init (&bell));
    workers = fz_workers_new (n_cpus, &bell);
    g_assert_false (fz_workers_has_done (workers));
    g_assert_null (fz_workers_take (workers));
    for (uint32_t i = 0; i < N; i++)
      g_assert_true (fz_workers_give (workers, make_job (identity, i)));
    for (uint32_t i = 0; i < N; i++) {
      g_autoptr (FzHandshakeJob) job = NULL;

      g_assert_cmpuint (fz_workers_get_n_jobs (workers), ==, N - i);
      job = wait_for_job (workers, &bell);
      g_assert_cmpuint (job->origin.generation, ==, i);
      g_assert_cmpint (job->drop, ==, FZ_DROP_BAD_TAG);
    }
    g_assert_cmpuint (fz_workers_get_n_jobs (workers), ==, 0);
    fz_workers_free (workers);
    fz_bell_clear (&bell);
  }
}

/* In the middle of its work; what waits is freed, as sanitizers see. */
static void
test_end (void)
{
  FzRng rng = fz_crypto_rng ();
  g_autoptr (FzIdentity) identity = fz_identity_new (NULL, &rng);
  FzBell bell;

  g_assert_true (fz_bell_init (&bell));
  for (uint32_t n = 0; n < 50; n++) {
    FzWorkers *workers = fz_workers_new (8, &bell);

    for (uint32_t i = 0; i < n; i++)
      fz_workers_give (workers, make_job (identity, i));
    fz_workers_free (workers);
  }
  fz_workers_free (NULL);
  fz_bell_clear (&bell);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/workers/order", test_order);
  g_test_add_func ("/workers/end", test_end);
  return g_test_run ();
}

/* test-handshakes.c: so many TLS handshakes at once, of a source and in all, and whose is next */

#include "src/server/fz-handshakes.h"

#define OF_SOURCE FZ_HANDSHAKES_OF_SOURCE_MAX
#define N_GUESTS  128u

typedef struct {
  FzHandshakes *handshakes;
  FzHandshake of[N_GUESTS];
  unsigned n; /* have come */
} Crowd;

static void
crowd_init (Crowd *crowd)
{
  *crowd = (Crowd){ .handshakes = fz_handshakes_new () };
}

static void
crowd_clear (Crowd *crowd)
{
  for (unsigned i = 0; i < crowd->n; i++)
    fz_handshakes_leave (crowd->handshakes, &crowd->of[i]);
  g_assert_cmpuint (fz_handshakes_n_begun (crowd->handshakes), ==, 0);
  g_assert_cmpuint (fz_handshakes_n_held (crowd->handshakes), ==, 0);
  fz_handshakes_free (crowd->handshakes);
}

/* @host: 0: of no source that counts */
static void
come (Crowd *crowd, uint8_t host, unsigned n)
{
  const uint8_t bytes[] = { 192, 0, 2, host };
  FzIp source = host != 0 ? fz_ip_v4 (bytes) : (FzIp){ .family = FZ_IP_NONE };

  for (unsigned i = 0; i < n; i++, crowd->n++) {
    g_assert_cmpuint (crowd->n, <, N_GUESTS);
    fz_handshakes_enter (crowd->handshakes, &crowd->of[crowd->n], &crowd->of[crowd->n], &source);
  }
}

/* The number of a guest; -1: none */
static int
number_of (const Crowd *crowd, const FzHandshake *guest)
{
  return guest != NULL ? (int) (guest - crowd->of) : -1;
}

static int
next (Crowd *crowd)
{
  return number_of (crowd, fz_handshakes_next (crowd->handshakes));
}

static int
cut (Crowd *crowd)
{
  return number_of (crowd, fz_handshakes_cut (crowd->handshakes));
}

static void
begin_all (Crowd *crowd)
{
  while (next (crowd) >= 0)
    ;
}

static void
set_overdue (Crowd *crowd, int i)
{
  fz_handshakes_set_overdue (crowd->handshakes, &crowd->of[i]);
}

static void
leave (Crowd *crowd, int i)
{
  fz_handshakes_leave (crowd->handshakes, &crowd->of[i]);
}

/* One source has its share and no more; others pass it by. */
static void
test_of_source (void)
{
  Crowd crowd;

  crowd_init (&crowd);
  come (&crowd, 1, OF_SOURCE + 2);
  for (unsigned i = 0; i < OF_SOURCE; i++)
    g_assert_cmpint (next (&crowd), ==, (int) i);
  g_assert_cmpint (next (&crowd), ==, -1);
  come (&crowd, 2, 1);
  g_assert_cmpint (next (&crowd), ==, OF_SOURCE + 2);
  g_assert_cmpint (next (&crowd), ==, -1);
  leave (&crowd, 3);
  leave (&crowd, 3);
  g_assert_cmpint (next (&crowd), ==, OF_SOURCE); /* the oldest */
  g_assert_cmpint (next (&crowd), ==, -1);
  leave (&crowd, OF_SOURCE + 1); /* who is held may go, too */
  leave (&crowd, 0);
  g_assert_cmpint (next (&crowd), ==, -1);
  crowd_clear (&crowd);
}

static void
test_in_all (void)
{
  Crowd crowd;

  crowd_init (&crowd);
  come (&crowd, 0, FZ_HANDSHAKES_MAX + 1); /* a proxy's: as many as there is room for */
  come (&crowd, 1, 1);
  begin_all (&crowd);
  g_assert_cmpuint (fz_handshakes_n_begun (crowd.handshakes), ==, FZ_HANDSHAKES_MAX);
  g_assert_cmpuint (fz_handshakes_n_held (crowd.handshakes), ==, 2);
  leave (&crowd, 5);
  g_assert_cmpint (next (&crowd), ==, FZ_HANDSHAKES_MAX);
  g_assert_cmpint (next (&crowd), ==, -1);
  crowd_clear (&crowd);
}

/* Only who is overdue, and in the way, and no more than are held. */
static void
test_cut (void)
{
  Crowd crowd;

  crowd_init (&crowd);
  come (&crowd, 1, OF_SOURCE);
  come (&crowd, 2, OF_SOURCE);
  begin_all (&crowd);
  for (int i = 0; i < (int) (2 * OF_SOURCE); i++)
    set_overdue (&crowd, i);
  g_assert_cmpint (cut (&crowd), ==, -1); /* nobody waits */
  come (&crowd, 2, 1);
  g_assert_cmpint (next (&crowd), ==, -1);
  g_assert_cmpint (cut (&crowd), ==, OF_SOURCE); /* the oldest of that source */
  g_assert_cmpint (cut (&crowd), ==, -1);
  g_assert_cmpint (next (&crowd), ==, -1); /* has his thread yet */
  leave (&crowd, OF_SOURCE);
  g_assert_cmpint (next (&crowd), ==, 2 * OF_SOURCE);
  come (&crowd, 2, 1);
  set_overdue (&crowd, (int) (2 * OF_SOURCE) + 1); /* is held: nothing */
  g_assert_cmpint (cut (&crowd), ==, OF_SOURCE + 1);
  crowd_clear (&crowd);
}

/* Where all is full, it does not matter of which source he is who has to go. */
static void
test_cut_in_all (void)
{
  Crowd crowd;

  crowd_init (&crowd);
  come (&crowd, 0, FZ_HANDSHAKES_MAX);
  begin_all (&crowd);
  come (&crowd, 1, 1);
  g_assert_cmpint (cut (&crowd), ==, -1);
  set_overdue (&crowd, 7);
  set_overdue (&crowd, 3);
  g_assert_cmpint (cut (&crowd), ==, 3);
  g_assert_cmpint (cut (&crowd), ==, -1);
  leave (&crowd, 3);
  g_assert_cmpint (next (&crowd), ==, FZ_HANDSHAKES_MAX);
  crowd_clear (&crowd);
}

/* Behind those that never answer comes one who does: he is next as soon as one was cut off. */
static void
test_newest_first (void)
{
  Crowd crowd;
  int newest;

  crowd_init (&crowd);
  come (&crowd, 1, 100);
  begin_all (&crowd);
  newest = (int) crowd.n - 1;
  set_overdue (&crowd, 0);
  g_assert_cmpint (cut (&crowd), ==, 0);
  leave (&crowd, 0);
  g_assert_cmpint (next (&crowd), ==, newest);
  leave (&crowd, newest); /* is through */
  g_assert_cmpint (next (&crowd), ==, OF_SOURCE);
  crowd_clear (&crowd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/handshakes/of-source", test_of_source);
  g_test_add_func ("/handshakes/in-all", test_in_all);
  g_test_add_func ("/handshakes/cut/of-source", test_cut);
  g_test_add_func ("/handshakes/cut/in-all", test_cut_in_all);
  g_test_add_func ("/handshakes/newest-first", test_newest_first);
  return g_test_run ();
}

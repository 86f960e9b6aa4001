/* test-lobby.c: room for so many of a source and in all, and who has to go for one more */

#include "src/server/fz-lobby.h"

#define PLACES    6u
#define OF_SOURCE 3u

typedef struct {
  char name;
  FzLobbyPlace place;
} Guest;

static char
name_of (const void *connection)
{
  return connection != NULL ? ((const Guest *) connection)->name : '-';
}

static char
enter (FzLobby *lobby, Guest *guest, const char *address)
{
  FzIp ip;

  g_assert_true (fz_ip_parse (address, &ip));
  return name_of (fz_lobby_enter (lobby, &guest->place, guest, &ip));
}

static const struct {
  const char *address;
  char out; /* who has to go */
  const char *why;
} steps[] = {
  { "192.0.2.1", '-', "a" },
  { "2001:db8::1", '-', "b" },
  { "192.0.2.1", '-', "c" },
  { "192.0.2.1", '-', "d: as many as one source may" },
  { "192.0.2.1", 'a', "e: one more of it, and its oldest goes" },
  { "2001:db8::ffff:2", '-', "f: of the same /64 as b" },
  { "2001:db8::3", '-', "g: as many in all as there is room for" },
  { "2001:db8::4", 'b', "h: of a source that has its share" },
  { "2001:db8:0:1::1", 'c', "i: another /64; the oldest of the two that have most" },
  { "198.51.100.7", 'f', "j: d is older, but f's source has more" },
  { "198.51.100.8", 'd', "k: both have two; the oldest of them" },
  { "198.51.100.9", 'g', "l: one source has two, and others older ones" },
  { "198.51.100.10", 'e', "m: nobody has more than one; the oldest of all" },
};

static void
test_order (void)
{
  FzLobby *lobby = fz_lobby_new ();
  Guest guests[G_N_ELEMENTS (steps)] = { 0 };

  fz_lobby_set_limits (lobby, PLACES, OF_SOURCE);
  for (size_t i = 0; i < G_N_ELEMENTS (steps); i++) {
    guests[i].name = (char) ('a' + i);
    g_test_message ("%s", steps[i].why);
    g_assert_cmpint (enter (lobby, &guests[i], steps[i].address), ==, steps[i].out);
  }
  g_assert_cmpuint (fz_lobby_length (lobby), ==, PLACES);
  g_assert_cmpuint (fz_lobby_counts (lobby).n_of_source, ==, 2);
  g_assert_cmpuint (fz_lobby_counts (lobby).n_in_all, ==, 5);
  fz_lobby_free (lobby);
  for (size_t i = 0; i < G_N_ELEMENTS (steps); i++)
    g_assert_false (guests[i].place.is_in);
}

/* Who has left is nobody's oldest; leaving twice is leaving once. */
static void
test_leave (void)
{
  FzLobby *lobby = fz_lobby_new ();
  Guest a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };

  fz_lobby_set_limits (lobby, PLACES, 1);
  g_assert_cmpint (enter (lobby, &a, "192.0.2.1"), ==, '-');
  fz_lobby_leave (lobby, &a.place);
  fz_lobby_leave (lobby, &a.place);
  g_assert_cmpuint (fz_lobby_length (lobby), ==, 0);
  g_assert_cmpint (enter (lobby, &b, "192.0.2.1"), ==, '-');
  g_assert_cmpint (enter (lobby, &a, "192.0.2.1"), ==, 'b');
  g_assert_null (fz_lobby_enter (lobby, &b.place, &b, NULL)); /* a proxy's */
  g_assert_null (fz_lobby_enter (lobby, &c.place, &c, NULL));
  g_assert_cmpuint (fz_lobby_length (lobby), ==, 3);
  fz_lobby_leave (lobby, &b.place);
  g_assert_cmpuint (fz_lobby_length (lobby), ==, 2);
  fz_lobby_free (lobby);
}

/* Full, and nobody has more than his share; and one more of a source has. */
static void
test_share (void)
{
  FzLobby *lobby = fz_lobby_new ();
  g_autofree Guest *guests = g_new0 (Guest, FZ_LOBBY_PLACES_MAX + 1);
  unsigned i;

  for (i = 0; i < FZ_LOBBY_PLACES_MAX; i++) {
    g_autofree char *address = g_strdup_printf ("192.0.2.%u", i / FZ_LOBBY_SHARE);

    g_assert_null (fz_lobby_longest_if_full (lobby));
    g_assert_cmpint (enter (lobby, &guests[i], address), ==, '-');
  }
  g_assert_true (fz_lobby_longest_if_full (lobby) == &guests[0]);
  fz_lobby_leave (lobby, &guests[0].place);
  g_assert_null (fz_lobby_longest_if_full (lobby));
  g_assert_cmpint (enter (lobby, &guests[i], "192.0.2.1"), ==, '-');
  g_assert_null (fz_lobby_longest_if_full (lobby));
  fz_lobby_leave (lobby, &guests[i].place);
  g_assert_null (fz_lobby_enter (lobby, &guests[0].place, &guests[0], NULL)); /* a proxy's */
  g_assert_true (fz_lobby_longest_if_full (lobby) == &guests[1]);
  fz_lobby_free (lobby);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lobby/order", test_order);
  g_test_add_func ("/lobby/leave", test_leave);
  g_test_add_func ("/lobby/share", test_share);
  return g_test_run ();
}

/* test-train.c: fz-train.h, the rules of dataplane.md §6.3 */

#include "packets.h"
#include "src/dataplane/fz-train.h"

#include <glib.h>

typedef struct {
  FzTrainYard *yard;
  FzPeer *peers[70];
  FzEndpoint endpoints[70];
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->yard = fz_train_yard_new ();
  for (uint32_t i = 0; i < 70; i++) {
    f->peers[i] = fz_peer_new (&(FzUuid){ { 0 } }, i);
    f->endpoints[i] =
        (FzEndpoint){ .remote = { test_ip ("192.0.2.1"), (uint16_t) i }, .generation = 1 };
  }
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  for (uint32_t i = 0; i < 70; i++)
    fz_peer_free (f->peers[i]);
  fz_train_yard_free (f->yard);
}

static void
append (Fixture *f, unsigned peer, uint8_t ecn, uint32_t length, uint8_t mark)
{
  g_assert_true (fz_train_yard_has_room (f->yard, 1, length));
  memset (fz_train_yard_append (f->yard, f->peers[peer], &f->endpoints[peer], ecn, length),
          mark,
          length);
}

static void
test_rules (Fixture *f, gconstpointer data)
{
  const FzTrain *trains;

  append (f, 0, 2, 1312, 'a');
  append (f, 0, 2, 1312, 'b');
  append (f, 1, 2, 100, 'c'); /* another destination does not close it */
  append (f, 0, 2, 500, 'd'); /* shorter: the last of its train */
  append (f, 0, 2, 500, 'e'); /* so this opens another */
  append (f, 0, 2, 501, 'f'); /* longer: another */
  append (f, 1, 2, 100, 'g');
  append (f, 1, 0, 100, 'h');     /* another ECN */
  append (f, 1, 2, 100, 'i');     /* back: only the newest train may grow */
  f->endpoints[1].generation = 2; /* moved */
  append (f, 1, 2, 100, 'j');

  {
    static const struct {
      const char *bytes;
      uint32_t length;
      uint16_t segment_size, port;
      uint8_t ecn;
    } expected[] = {
      { "abd", 2 * 1312 + 500, 1312, 0, 2 },
      { "cg", 200, 100, 1, 2 },
      { "e", 500, 500, 0, 2 },
      { "f", 501, 501, 0, 2 },
      { "h", 100, 100, 1, 0 },
      { "i", 100, 100, 1, 2 },
      { "j", 100, 100, 1, 2 },
    };

    g_assert_cmpuint (fz_train_yard_list (f->yard, 64, &trains), ==, G_N_ELEMENTS (expected));
    for (size_t i = 0; i < G_N_ELEMENTS (expected); i++) {
      g_assert_cmpuint (trains[i].length, ==, expected[i].length);
      g_assert_cmpuint (trains[i].segment_size, ==, expected[i].segment_size);
      g_assert_cmpuint (trains[i].n_segments, ==, strlen (expected[i].bytes));
      g_assert_cmpuint (trains[i].to.port, ==, expected[i].port);
      g_assert_cmpuint (trains[i].ecn, ==, expected[i].ecn);
      g_assert_cmpuint (trains[i].connection_id, ==, expected[i].port);
      for (size_t j = 0; expected[i].bytes[j] != '\0'; j++)
        g_assert_cmpint (trains[i].data[j * trains[i].segment_size], ==, expected[i].bytes[j]);
      g_assert_cmpint (trains[i].data[trains[i].length - 1],
                       ==,
                       expected[i].bytes[strlen (expected[i].bytes) - 1]);
    }
  }
  fz_train_yard_clear (f->yard);
  g_assert_true (fz_train_yard_is_empty (f->yard));
  g_assert_cmpuint (fz_train_yard_list (f->yard, 64, &trains), ==, 0);
}

static void
test_caps (Fixture *f, gconstpointer data)
{
  const FzTrain *trains;

  for (int i = 0; i < 65; i++)
    append (f, 0, 0, 100, 0);
  for (int i = 0; i < 50; i++)
    append (f, 1, 0, 1312, 0); /* 49 fit */
  g_assert_cmpuint (fz_train_yard_list (f->yard, 64, &trains), ==, 4);
  g_assert_cmpuint (trains[0].n_segments, ==, 64);
  g_assert_cmpuint (trains[1].n_segments, ==, 1);
  g_assert_cmpuint (trains[2].n_segments, ==, 49);
  g_assert_cmpuint (trains[2].length, <=, FZ_TRAIN_BYTES_MAX);
  g_assert_cmpuint (trains[3].n_segments, ==, 1);
}

static void
test_room (Fixture *f, gconstpointer data)
{
  const FzTrain *trains;

  for (unsigned i = 0; i < FZ_TRAINS_MAX - 2; i++)
    append (f, i, 0, 1312, 0);
  g_assert_true (fz_train_yard_has_room (f->yard, 98, 1312));
  g_assert_false (fz_train_yard_has_room (f->yard, 99, 1312));
  g_assert_true (fz_train_yard_has_room (f->yard, 128, 100));
  g_assert_false (fz_train_yard_has_room (f->yard, 129, 100));
  append (f, 68, 0, 1312, 0);
  append (f, 69, 0, 1312, 0);
  g_assert_false (fz_train_yard_has_room (f->yard, 1, 32));
  g_assert_cmpuint (fz_train_yard_list (f->yard, 64, &trains), ==, FZ_TRAINS_MAX);
}

/* A channel number goes before each datagram and counts into the segment size. */
static void
test_relayed (Fixture *f, gconstpointer data)
{
  const FzTrain *trains;

  f->endpoints[0].channel = 0x4012;
  for (int i = 0; i < 3; i++)
    append (f, 0, 0, i < 2 ? 200 : 50, 0xaa);
  g_assert_cmpuint (fz_train_yard_list (f->yard, 64, &trains), ==, 1);
  g_assert_cmpuint (trains[0].segment_size, ==, 204);
  g_assert_cmpuint (trains[0].length, ==, 204 + 204 + 54);
  for (int i = 0; i < 3; i++) {
    const uint8_t *at = trains[0].data + i * 204;

    g_assert_cmphex (fz_get_u16be (at), ==, 0x4012);
    g_assert_cmpuint (fz_get_u16be (at + 2), ==, i < 2 ? 200 : 50);
    g_assert_cmphex (at[4], ==, 0xaa);
  }
}

/* Where the kernel takes fewer at once the same bytes go out in the same order. */
static void
test_pieces (Fixture *f, gconstpointer data)
{
  static const uint16_t limits[] = { 0, 1, 2, 3, 5, 63, 64, 100 };

  for (int i = 0; i < 5; i++)
    append (f, 0, 1, i < 4 ? 300 : 7, (uint8_t) i);
  append (f, 1, 0, 40, 9);
  for (size_t i = 0; i < G_N_ELEMENTS (limits); i++) {
    const FzTrain *trains;
    size_t n = fz_train_yard_list (f->yard, limits[i], &trains);
    size_t limit = MAX (limits[i], 1), n_datagrams = 0;
    const uint8_t *next = trains[0].data;

    g_assert_cmpuint (n, ==, (5 + limit - 1) / limit + 1);
    for (size_t j = 0; j + 1 < n; j++) {
      g_assert_true (trains[j].data == next);
      g_assert_cmpuint (trains[j].n_segments, <=, limit);
      g_assert_cmpuint (trains[j].segment_size, <=, trains[j].length);
      g_assert_cmpuint (trains[j].ecn, ==, 1);
      next += trains[j].length;
      n_datagrams += trains[j].n_segments;
    }
    g_assert_cmpuint (n_datagrams, ==, 5);
    g_assert_cmpuint (trains[n - 1].to.port, ==, 1);
    if (limit == 1) {
      g_assert_cmpuint (trains[4].segment_size, ==, 7);
      g_assert_cmpuint (trains[4].length, ==, 7);
    }
  }
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/train/rules", test_rules);
  ADD ("/train/caps", test_caps);
  ADD ("/train/room", test_room);
  ADD ("/train/relayed", test_relayed);
  ADD ("/train/pieces", test_pieces);
  return g_test_run ();
}

/* test-ring.c: the ring between a lane and the engine */

#include "src/base/fz-ring.h"

#include <glib.h>
#include <string.h>

#define CAPACITY 4096u

static void
put_record (FzRing *ring, const void *data, size_t length)
{
  void *room = fz_ring_reserve (ring, length);

  g_assert_nonnull (room);
  g_assert_cmpuint ((guintptr) room % 8, ==, 0);
  if (length > 0)
    memcpy (room, data, length);
  fz_ring_commit (ring);
}

static void
test_order (void)
{
  FzRing *ring = fz_ring_new (CAPACITY);
  const void *first;
  size_t length;

  g_assert_null (fz_ring_peek (ring, &length));
  put_record (ring, "one", 3);
  put_record (ring, "", 0);
  put_record (ring, "three", 5);

  first = fz_ring_peek (ring, &length);
  g_assert_cmpmem (first, length, "one", 3);
  g_assert_true (fz_ring_peek (ring, &length) == first); /* the same until released */
  fz_ring_release (ring);
  g_assert_nonnull (fz_ring_peek (ring, &length));
  g_assert_cmpuint (length, ==, 0);
  fz_ring_release (ring);
  first = fz_ring_peek (ring, &length);
  g_assert_cmpmem (first, length, "three", 5);
  fz_ring_release (ring);
  g_assert_null (fz_ring_peek (ring, &length));
  fz_ring_free (ring);
}

static void
test_reserved_is_not_visible (void)
{
  FzRing *ring = fz_ring_new (CAPACITY);
  size_t length;

  memset (fz_ring_reserve (ring, 100), 1, 100);
  g_assert_null (fz_ring_peek (ring, &length));
  memset (fz_ring_reserve (ring, 7), 2, 7); /* thought better of it */
  fz_ring_commit (ring);
  g_assert_cmpmem (fz_ring_peek (ring, &length), 7, "\2\2\2\2\2\2\2", 7);
  g_assert_cmpuint (length, ==, 7);
  fz_ring_release (ring);
  g_assert_null (fz_ring_peek (ring, &length));
  fz_ring_free (ring);
}

static void
test_full (void)
{
  FzRing *ring = fz_ring_new (CAPACITY);
  size_t length;
  unsigned n = 0;

  while (fz_ring_reserve (ring, 120) != NULL) { /* 128 with its header */
    fz_ring_commit (ring);
    n++;
  }
  g_assert_cmpuint (n, ==, CAPACITY / 128);
  fz_ring_peek (ring, &length);
  fz_ring_release (ring);
  g_assert_nonnull (fz_ring_reserve (ring, 120));
  fz_ring_commit (ring);
  g_assert_null (fz_ring_reserve (ring, 0));
  fz_ring_free (ring);
}

static void
test_largest_record (void)
{
  FzRing *ring = fz_ring_new (CAPACITY);
  uint8_t data[CAPACITY / 4];
  size_t length;

  for (unsigned round = 0; round < 50; round++) {
    const void *record;

    memset (data, (int) round, sizeof data);
    put_record (ring, data, sizeof data);
    record = fz_ring_peek (ring, &length);
    g_assert_cmpmem (record, length, data, sizeof data);
    fz_ring_release (ring);
  }
  fz_ring_free (ring);
}

static void
test_consumed (void)
{
  FzRing *ring = fz_ring_new (CAPACITY);
  uint64_t position;
  size_t length;

  g_assert_true (fz_ring_is_consumed (ring, fz_ring_position (ring)));
  put_record (ring, "a", 1);
  position = fz_ring_position (ring);
  put_record (ring, "b", 1);
  g_assert_false (fz_ring_is_consumed (ring, position));
  fz_ring_peek (ring, &length);
  g_assert_false (fz_ring_is_consumed (ring, position)); /* looked at, not done with */
  fz_ring_release (ring);
  g_assert_true (fz_ring_is_consumed (ring, position));
  g_assert_false (fz_ring_is_consumed (ring, fz_ring_position (ring)));
  fz_ring_free (ring);
}

/* 270 times round. Where both threads share a busy CPU, each time round costs a slice or two. */
#define N_RECORDS   50000u
#define RING_OF_TWO 65536u

/* Lengths that meet every offset at the end of the buffer. */
static size_t
length_of (uint32_t i)
{
  return 4 + i * 2654435761u % 700;
}

static gpointer
produce (gpointer data)
{
  FzRing *ring = data;

  for (uint32_t i = 0; i < N_RECORDS;) {
    uint8_t *room = fz_ring_reserve (ring, length_of (i));

    if (room == NULL) {
      g_thread_yield ();
      continue;
    }
    memset (room, (int) (i & 0xff), length_of (i));
    memcpy (room, &i, sizeof i);
    fz_ring_commit (ring);
    i++;
  }
  return NULL;
}

static void
test_two_threads (void)
{
  FzRing *ring = fz_ring_new (RING_OF_TWO);
  GThread *producer = g_thread_new ("producer", produce, ring);

  for (uint32_t i = 0; i < N_RECORDS;) {
    size_t length;
    const uint8_t *record = fz_ring_peek (ring, &length);
    uint32_t number;

    if (record == NULL) {
      g_thread_yield ();
      continue;
    }
    memcpy (&number, record, sizeof number);
    g_assert_cmpuint (number, ==, i);
    g_assert_cmpuint (length, ==, length_of (i));
    for (size_t at = sizeof number; at < length; at++)
      g_assert_true (record[at] == (i & 0xff));
    fz_ring_release (ring);
    i++;
  }
  g_thread_join (producer);
  g_assert_true (fz_ring_is_consumed (ring, fz_ring_position (ring)));
  fz_ring_free (ring);
}

static void
test_free_null (void)
{
  fz_ring_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ring/order", test_order);
  g_test_add_func ("/ring/reserved-is-not-visible", test_reserved_is_not_visible);
  g_test_add_func ("/ring/full", test_full);
  g_test_add_func ("/ring/largest-record", test_largest_record);
  g_test_add_func ("/ring/consumed", test_consumed);
  g_test_add_func ("/ring/two-threads", test_two_threads);
  g_test_add_func ("/ring/free-null", test_free_null);
  return g_test_run ();
}

/* test-heap.c: deadlines by handle */

#include "src/base/fz-heap.h"
#include "src/base/fz-rng.h"

#include <glib.h>

static void
test_order (void)
{
  FzHeap *heap = fz_heap_new ();
  static const uint32_t expected[] = { 2, 0, 7, 1 };
  uint32_t handle = 99;

  g_assert_true (fz_heap_next (heap) == FZ_INSTANT_NEVER);
  g_assert_false (fz_heap_pop_due (heap, FZ_INSTANT_NEVER, &handle));
  fz_heap_set (heap, 0, 20);
  fz_heap_set (heap, 1, 30);
  fz_heap_set (heap, 2, 10);
  fz_heap_set (heap, 7, 20); /* ties by handle */
  g_assert_cmpuint (fz_heap_get_length (heap), ==, 4);
  g_assert_cmpuint (fz_heap_next (heap), ==, 10);
  g_assert_false (fz_heap_pop_due (heap, 9, &handle));
  g_assert_cmpuint (handle, ==, 99);
  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++) {
    g_assert_true (fz_heap_pop_due (heap, 30, &handle));
    g_assert_cmpuint (handle, ==, expected[i]);
  }
  g_assert_cmpuint (fz_heap_get_length (heap), ==, 0);
  fz_heap_free (heap);
}

static void
test_update_and_remove (void)
{
  FzHeap *heap = fz_heap_new ();

  fz_heap_set (heap, 3, 50);
  fz_heap_set (heap, 4, 40);
  fz_heap_set (heap, 3, 30);
  g_assert_cmpuint (fz_heap_get_length (heap), ==, 2);
  g_assert_cmpuint (fz_heap_next (heap), ==, 30);
  fz_heap_set (heap, 3, 60);
  g_assert_cmpuint (fz_heap_next (heap), ==, 40);
  g_assert_cmpuint (fz_heap_get (heap, 3), ==, 60);
  fz_heap_set (heap, 4, FZ_INSTANT_NEVER);
  g_assert_cmpuint (fz_heap_next (heap), ==, 60);
  g_assert_true (fz_heap_get (heap, 4) == FZ_INSTANT_NEVER);
  fz_heap_remove (heap, 4);                      /* twice */
  fz_heap_remove (heap, FZ_HEAP_HANDLE_MAX - 1); /* never seen */
  g_assert_cmpuint (fz_heap_get_length (heap), ==, 1);
  fz_heap_free (heap);
  fz_heap_free (NULL);
}

#define N_HANDLES 300u

/* The earliest by looking at all. */
static uint32_t
earliest (const FzInstant deadlines[N_HANDLES])
{
  uint32_t best = 0;

  for (uint32_t i = 1; i < N_HANDLES; i++)
    if (deadlines[i] < deadlines[best])
      best = i;
  return best;
}

static void
test_against_a_list (void)
{
  FzHeap *heap = fz_heap_new ();
  FzInstant deadlines[N_HANDLES];
  FzSeededRng seeded;
  FzRng rng;

  fz_seeded_rng_init (&seeded, (uint64_t) (guint32) g_test_rand_int ());
  rng = fz_seeded_rng (&seeded);
  for (size_t i = 0; i < N_HANDLES; i++)
    deadlines[i] = FZ_INSTANT_NEVER;

  for (int step = 0; step < 20000; step++) {
    uint32_t handle = (uint32_t) fz_rng_below (&rng, N_HANDLES);
    uint32_t popped;

    switch (fz_rng_below (&rng, 4)) {
    case 0:
      fz_heap_remove (heap, handle);
      deadlines[handle] = FZ_INSTANT_NEVER;
      break;
    case 1:
      if (fz_heap_pop_due (heap, FZ_INSTANT_NEVER - 1, &popped)) {
        g_assert_cmpuint (popped, ==, earliest (deadlines));
        deadlines[popped] = FZ_INSTANT_NEVER;
      }
      break;
    default:
      deadlines[handle] = fz_rng_below (&rng, 1000);
      fz_heap_set (heap, handle, deadlines[handle]);
      break;
    }
    g_assert_cmpuint (fz_heap_next (heap), ==, deadlines[earliest (deadlines)]);
    g_assert_cmpuint (fz_heap_get (heap, handle), ==, deadlines[handle]);
  }
  fz_heap_free (heap);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/heap/order", test_order);
  g_test_add_func ("/heap/update-and-remove", test_update_and_remove);
  g_test_add_func ("/heap/against-a-list", test_against_a_list);
  return g_test_run ();
}

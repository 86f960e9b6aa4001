/* test-replay-window.c: fz-replay-window.h */

#include "src/base/fz-rng.h"
#include "src/dataplane/fz-replay-window.h"

#include <glib.h>

#define W FZ_REPLAY_WINDOW_BITS

typedef struct {
  uint64_t counter;
  bool accepted;
  const char *why;
} Step;

static const Step steps[] = {
  { 9, true, "first counter may be anything" },
  { 9, false, "seen before" },
  { 8, true, "late but inside the window" },
  { 8, false, "seen before" },
  { 0, true, "zero is a counter" },
  { 0, false, "seen before" },
  { 10, true, "the next one" },
  { W + 9, true, "slides the window" },
  { 9, false, "fell behind the window" },
  { 10, false, "inside by its number, but seen" },
  { 11, true, "oldest place of the window, never seen" },
  { 11, false, "seen before" },
  { W + 10, true, "one further" },
  { 10, false, "fell behind" },
  { W + 8, true, "never seen" },
  { 10 * W, true, "jump by more than a window" },
  { 10 * W - 1, true, "everything below was forgotten" },
  { 9 * W + 1, true, "to the edge" },
  { 9 * W, false, "one past the edge" },
  { 10 * W + 63, true, "part of a word" },
  { 10 * W + 62, true, "cleared by the slide" },
  { 10 * W + 64, true, "into the next word" },
  { 10 * W + 64 + W - 1, true, "a jump of the window less one" },
  { 10 * W + 64, false, "just inside, seen" },
  { 10 * W + 65, true, "its old bit belongs to the past" },
  { UINT64_MAX, false, "no wrap" },
  { UINT64_MAX - W, false, "beyond the message limit" },
  { UINT64_MAX - W - 1, true, "the last that is not" },
  { UINT64_MAX - W - 1, false, "seen before" },
  { UINT64_MAX - W - 2, true, "below it" },
  { 10 * W, false, "long ago" },
};

static void
test_table (void)
{
  FzReplayWindow window = { 0 };

  for (size_t i = 0; i < G_N_ELEMENTS (steps); i++) {
    g_test_message ("%" G_GUINT64_FORMAT ": %s", steps[i].counter, steps[i].why);
    g_assert_cmpint (
        fz_replay_window_may_accept (&window, steps[i].counter), ==, steps[i].accepted);
    g_assert_cmpint (fz_replay_window_accept (&window, steps[i].counter), ==, steps[i].accepted);
  }
}

/* Looking does not change anything. */
static void
test_look (void)
{
  FzReplayWindow window = { 0 }, before;

  fz_replay_window_accept (&window, 100);
  before = window;
  fz_replay_window_may_accept (&window, 1000000);
  fz_replay_window_may_accept (&window, 50);
  g_assert_cmpmem (&window, sizeof window, &before, sizeof before);
}

/* Against a set of everything ever accepted. */
static void
test_model (void)
{
  g_autoptr (GHashTable) accepted =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  FzReplayWindow window = { 0 };
  FzSeededRng seeded;
  FzRng rng;
  uint64_t next = 0;

  fz_seeded_rng_init (&seeded, 5);
  rng = fz_seeded_rng (&seeded);
  for (size_t i = 0; i < 300000; i++) {
    uint64_t spread = fz_rng_below (&rng, 20) == 0 ? 3 * W : 100;
    uint64_t ahead = next + fz_rng_below (&rng, spread);
    uint64_t back = fz_rng_below (&rng, fz_rng_below (&rng, 10) == 0 ? 2 * W : 200);
    uint64_t counter = ahead > back ? ahead - back : 0;
    bool is_new = !g_hash_table_contains (accepted, &counter);
    bool expected = is_new && counter + W >= next;

    g_assert_cmpint (fz_replay_window_may_accept (&window, counter), ==, expected);
    if (fz_rng_below (&rng, 4) == 0)
      continue; /* a forgery: not recorded */
    g_assert_cmpint (fz_replay_window_accept (&window, counter), ==, expected);
    if (expected)
      g_hash_table_add (accepted, g_memdup2 (&counter, sizeof counter));
    if (expected && counter >= next)
      next = counter + 1;
  }
}

/* Old and seen are told apart at the very edge. */
static void
test_behind (void)
{
  FzReplayWindow window = { 0 };

  g_assert_false (fz_replay_window_is_behind (&window, 0));
  g_assert_true (fz_replay_window_accept (&window, 10 * FZ_REPLAY_WINDOW_BITS));
  g_assert_true (fz_replay_window_is_behind (&window, 9 * FZ_REPLAY_WINDOW_BITS));
  g_assert_false (fz_replay_window_is_behind (&window, 9 * FZ_REPLAY_WINDOW_BITS + 1));
  g_assert_false (fz_replay_window_is_behind (&window, 10 * FZ_REPLAY_WINDOW_BITS));
  g_assert_false (fz_replay_window_is_behind (&window, UINT64_MAX));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/replay-window/table", test_table);
  g_test_add_func ("/replay-window/looking-changes-nothing", test_look);
  g_test_add_func ("/replay-window/model", test_model);
  g_test_add_func ("/replay-window/behind", test_behind);
  return g_test_run ();
}

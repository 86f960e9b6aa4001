/* fz-replay-window.c: see the header */

#include "src/dataplane/fz-replay-window.h"

#include <string.h>

/* Leaves room above, so that counter + 1 and counter + window never wrap. */
#define COUNTER_MAX (UINT64_MAX - FZ_REPLAY_WINDOW_BITS - 1)

static inline uint64_t *
find_word (FzReplayWindow *window, uint64_t counter)
{
  return &window->seen[counter % FZ_REPLAY_WINDOW_BITS / 64];
}

static inline uint64_t
make_bit (uint64_t counter)
{
  return UINT64_C (1) << counter % 64;
}

bool
fz_replay_window_is_behind (const FzReplayWindow *window, uint64_t counter)
{
  return counter < window->next && window->next - counter > FZ_REPLAY_WINDOW_BITS;
}

bool
fz_replay_window_may_accept (const FzReplayWindow *window, uint64_t counter)
{
  if (counter > COUNTER_MAX)
    return false;
  if (counter >= window->next)
    return true;
  if (fz_replay_window_is_behind (window, counter))
    return false;
  return (window->seen[counter % FZ_REPLAY_WINDOW_BITS / 64] & make_bit (counter)) == 0;
}

/* Forgets what was seen at the places of the counters window->next … @counter - 1. */
static void
slide (FzReplayWindow *window, uint64_t counter)
{
  if (counter - window->next >= FZ_REPLAY_WINDOW_BITS) {
    memset (window->seen, 0, sizeof window->seen);
    return;
  }
  for (uint64_t at = window->next; at < counter;) {
    if (at % 64 == 0 && counter - at >= 64) {
      *find_word (window, at) = 0;
      at += 64;
    } else {
      *find_word (window, at) &= ~make_bit (at);
      at++;
    }
  }
}

bool
fz_replay_window_accept (FzReplayWindow *window, uint64_t counter)
{
  if (!fz_replay_window_may_accept (window, counter))
    return false;
  if (counter >= window->next) {
    slide (window, counter);
    window->next = counter + 1;
  }
  *find_word (window, counter) |= make_bit (counter);
  return true;
}

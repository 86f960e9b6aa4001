/* test-candidate-outbox.c: what reaches the portal, in which order, and what cancels out
 * (connectivity.md §1.10, X9, X14). */

#include "src/engine/fz-candidate-outbox.h"
#include "src/engine/fz-limits.h"

static const FzUuid peer_a = { { 0xa } };
static const FzUuid peer_b = { { 0xb } };

#define LOW  "candidate:1 1 udp 100 10.0.0.1 1 typ host"
#define HIGH "candidate:2 1 udp 2000 10.0.0.2 2 typ host"
#define TIE  "candidate:1 1 udp 2000 10.0.0.3 3 typ host"

static void
assert_batch (FzCandidateOutbox *outbox,
              const FzUuid *peer,
              bool is_removal,
              const char *const *expected,
              size_t n)
{
  FzCandidateBatch batch;

  g_assert_true (fz_candidate_outbox_poll (outbox, &batch));
  g_assert_true (fz_uuid_equal (&batch.peer_id, peer));
  g_assert_cmpint (batch.is_removal, ==, is_removal);
  g_assert_cmpuint (batch.n_candidates, ==, n);
  for (size_t i = 0; i < n; i++)
    g_assert_cmpstr (batch.candidates[i], ==, expected[i]);
}

static void
assert_empty (FzCandidateOutbox *outbox)
{
  FzCandidateBatch batch;

  g_assert_false (fz_candidate_outbox_poll (outbox, &batch));
}

static void
test_order (void)
{
  g_autoptr (FzCandidateOutbox) outbox = fz_candidate_outbox_new ();
  const char *const expected[] = { TIE, HIGH, LOW };

  fz_candidate_outbox_set_held (outbox, false);
  fz_candidate_outbox_add (outbox, &peer_a, LOW);
  fz_candidate_outbox_add (outbox, &peer_a, HIGH);
  fz_candidate_outbox_add (outbox, &peer_b, LOW);
  fz_candidate_outbox_add (outbox, &peer_a, TIE);
  fz_candidate_outbox_add (outbox, &peer_a, LOW); /* twice */
  fz_candidate_outbox_remove (outbox, &peer_a, "candidate:9 1 udp 1 1.1.1.1 9 typ relay");

  assert_batch (outbox, &peer_a, false, expected, 3);
  assert_batch (
      outbox, &peer_a, true, (const char *const[]){ "candidate:9 1 udp 1 1.1.1.1 9 typ relay" }, 1);
  assert_batch (outbox, &peer_b, false, (const char *const[]){ LOW }, 1);
  assert_empty (outbox);
}

static void
test_held (void)
{
  g_autoptr (FzCandidateOutbox) outbox = fz_candidate_outbox_new ();

  fz_candidate_outbox_add (outbox, &peer_a, LOW);
  fz_candidate_outbox_add (outbox, &peer_a, HIGH);
  fz_candidate_outbox_remove (outbox, &peer_a, LOW);  /* held addition: cancels */
  fz_candidate_outbox_remove (outbox, &peer_a, TIE);  /* sent long ago: held as removal */
  fz_candidate_outbox_remove (outbox, &peer_b, HIGH); /* held removal … */
  fz_candidate_outbox_add (outbox, &peer_b, HIGH);    /* … cancelled, added again */
  assert_empty (outbox);

  fz_candidate_outbox_set_held (outbox, true); /* a second "disconnected" changes nothing */
  fz_candidate_outbox_set_held (outbox, false);
  assert_batch (outbox, &peer_a, false, (const char *const[]){ HIGH }, 1);
  assert_batch (outbox, &peer_a, true, (const char *const[]){ TIE }, 1);
  assert_batch (outbox, &peer_b, false, (const char *const[]){ HIGH }, 1);
  assert_empty (outbox);
}

static void
test_forget (void)
{
  g_autoptr (FzCandidateOutbox) outbox = fz_candidate_outbox_new ();

  fz_candidate_outbox_add (outbox, &peer_a, LOW);
  fz_candidate_outbox_add (outbox, &peer_b, LOW);
  fz_candidate_outbox_forget (outbox, &peer_a);
  fz_candidate_outbox_forget (outbox, &peer_a);
  fz_candidate_outbox_set_held (outbox, false);
  assert_batch (outbox, &peer_b, false, (const char *const[]){ LOW }, 1);
  assert_empty (outbox);
}

static void
test_limit (void)
{
  g_autoptr (FzCandidateOutbox) outbox = fz_candidate_outbox_new ();
  FzCandidateBatch batch;

  for (unsigned i = 0; i <= FZ_HELD_CANDIDATES_MAX; i++) {
    g_autofree char *text = g_strdup_printf ("candidate:1 1 udp %u 1.1.1.1 1 typ host", i);

    g_assert_cmpint (
        fz_candidate_outbox_add (outbox, &peer_a, text), ==, i < FZ_HELD_CANDIDATES_MAX);
  }
  fz_candidate_outbox_set_held (outbox, false);
  g_assert_true (fz_candidate_outbox_poll (outbox, &batch));
  g_assert_cmpuint (batch.n_candidates, ==, FZ_HELD_CANDIDATES_MAX);
}

static void
test_garbage_order (void)
{
  g_assert_cmpint (fz_candidate_text_compare ("", LOW), >, 0); /* no priority is the least */
  g_assert_cmpint (fz_candidate_text_compare ("a b c", "a b c"), ==, 0);
  g_assert_cmpint (fz_candidate_text_compare ("x x x 99999999999999999999999", HIGH), <, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/candidate-outbox/order", test_order);
  g_test_add_func ("/candidate-outbox/held", test_held);
  g_test_add_func ("/candidate-outbox/forget", test_forget);
  g_test_add_func ("/candidate-outbox/limit", test_limit);
  g_test_add_func ("/candidate-outbox/garbage", test_garbage_order);
  return g_test_run ();
}

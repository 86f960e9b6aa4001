/* fuzz-candidate.c: a line of candidate text; what is understood survives being written and read */

#include "src/proto/fz-candidate.h"
#include "tests/fuzz/fuzz.h"

#include <glib.h>

static void
check_round_trip (const FzCandidate *candidate)
{
  char text[FZ_CANDIDATE_TEXT_MAX];
  FzCandidate again;

  fz_candidate_format (candidate, text);
  g_assert_true (fz_candidate_parse (text, &again));
  g_assert_cmpint (again.kind, ==, candidate->kind);
  g_assert_true (fz_socket_address_equal (&again.address, &candidate->address));
  g_assert_cmpuint (again.priority, ==, candidate->priority);
  g_assert_cmpstr (again.foundation, ==, candidate->foundation);
  g_assert_cmpstr (again.ufrag, ==, candidate->ufrag);

  if (candidate->kind == FZ_CANDIDATE_RELAYED) {
    fz_candidate_format_invalidation (candidate, text);
    g_assert_true (fz_candidate_parse (text, &again));
  }
  /* this form is for candidates of ours, which have a base */
  again = *candidate;
  if (again.base.ip.family == FZ_IP_NONE)
    again.base = again.address;
  fz_candidate_format_iceless (&again, text);
  g_assert_true (fz_candidate_parse (text, &again));
  g_assert_true (fz_socket_address_equal (&again.address, &candidate->address));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  FzCandidate candidate;

  if (!fz_candidate_parse (text, &candidate))
    return 0;
  (void) fz_candidate_is_usable (&candidate);
  check_round_trip (&candidate);
  fz_candidate_set_foundation (&candidate);
  check_round_trip (&candidate);
  return 0;
}

/* fz-candidate-outbox.h
 *
 * Candidates on their way to the portal: collected per connection, handed out as
 * one "added" and one "removed" message each, best first. While the portal is
 * away they are held, and what cancels out is never sent (connectivity.md §1.10).
 */
#pragma once

#include "src/base/fz-uuid.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct FzCandidateOutbox FzCandidateOutbox;

typedef struct {
  FzUuid peer_id;
  bool is_removal;
  const char *const *candidates; /* until the next call */
  size_t n_candidates;
} FzCandidateBatch;

FzCandidateOutbox *fz_candidate_outbox_new (void); /* held until the portal is connected */
void fz_candidate_outbox_free (FzCandidateOutbox *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzCandidateOutbox, fz_candidate_outbox_free)

void fz_candidate_outbox_set_held (FzCandidateOutbox *self, bool is_held);

/* False if the connection has reached FZ_HELD_CANDIDATES_MAX; the text is not kept then. */
bool
fz_candidate_outbox_add (FzCandidateOutbox *self, const FzUuid *peer_id, const char *candidate);
bool
fz_candidate_outbox_remove (FzCandidateOutbox *self, const FzUuid *peer_id, const char *candidate);
void fz_candidate_outbox_forget (FzCandidateOutbox *self, const FzUuid *peer_id);

/* The next message, additions of a connection before its removals. False while held. */
bool fz_candidate_outbox_poll (FzCandidateOutbox *self, FzCandidateBatch *out);

/* Order inside a message: descending priority (fourth field), ties by text. */
int fz_candidate_text_compare (const char *a, const char *b);

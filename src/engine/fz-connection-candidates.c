/* fz-connection-candidates.c
 *
 * Both sides' candidates: ours to the outbox, the peer's to the agent
 * (connectivity.md §1.5, §3.3).
 */

#include "src/engine/fz-connection-private.h"

static void
announce (FzConnection *self, const char *text)
{
  fz_log (&self->context->log,
          FZ_LOG_DEBUG,
          "candidate-signalled",
          "candidate of ours goes to the peer",
          FZ_KV_UUID ("peer", &self->id),
          FZ_KV_TEXT ("candidate", text));
  if (!fz_candidate_outbox_add (self->context->outbox, &self->id, text))
    fz_connection_count_drop (self, FZ_DROP_QUEUE_FULL);
}

void
fz_connection_add_local_candidate (FzConnection *self, const FzCandidate *candidate, FzInstant now)
{
  char text[FZ_CANDIDATE_TEXT_MAX];

  if (self->agent == NULL || !fz_path_agent_add_local (self->agent, candidate, text))
    return;
  announce (self, text);
  fz_connection_note_activity (self, now, "candidate");
  fz_connection_settle (self, now);
}

void
fz_connection_invalidate_local_candidate (FzConnection *self,
                                          const FzCandidate *candidate,
                                          FzInstant now)
{
  char text[FZ_CANDIDATE_TEXT_MAX];

  if (self->agent == NULL || !fz_path_agent_invalidate_local (self->agent, candidate, text))
    return;
  if (!fz_candidate_outbox_remove (self->context->outbox, &self->id, text))
    fz_connection_count_drop (self, FZ_DROP_QUEUE_FULL);
  fz_connection_note_activity (self, now, "candidate");
  fz_connection_settle (self, now);
}

void
fz_connection_add_remote_candidate (FzConnection *self, const char *text, FzInstant now)
{
  FzCandidate candidate;

  if (self->agent == NULL)
    return;
  if (!fz_candidate_parse (text, &candidate)) {
    fz_log (&self->context->log,
            FZ_LOG_DEBUG,
            "candidate-refused",
            "candidate of the peer is malformed",
            FZ_KV_UUID ("peer", &self->id));
    return;
  }
  self->candidate_timeout = FZ_INSTANT_NEVER;
  fz_log (&self->context->log,
          FZ_LOG_DEBUG,
          "candidate-received",
          "candidate of the peer",
          FZ_KV_UUID ("peer", &self->id),
          FZ_KV_TEXT ("candidate", text));
  if (!fz_path_agent_add_remote (self->agent, text))
    return;
  if (candidate.kind != FZ_CANDIDATE_HOST)
    fz_relay_pool_bind_channel (self->context->relays, &self->relay_id, &candidate.address, now);
  fz_connection_note_activity (self, now, "candidate");
  fz_connection_settle (self, now);
}

void
fz_connection_invalidate_remote_candidate (FzConnection *self, const char *text, FzInstant now)
{
  if (self->agent == NULL || !fz_path_agent_invalidate_remote (self->agent, text))
    return;
  fz_connection_note_activity (self, now, "candidate");
  fz_connection_settle (self, now);
}

static void
offer_relay_candidates (FzConnection *self, FzInstant now)
{
  FzCandidate candidates[FZ_RELAYS_MAX * FZ_RELAY_CANDIDATES_MAX];
  size_t n = fz_relay_pool_get_candidates (
      self->context->relays, &self->relay_id, candidates, G_N_ELEMENTS (candidates));

  for (size_t i = 0; i < n; i++)
    fz_connection_add_local_candidate (self, &candidates[i], now);
}

void
fz_connection_reuse (FzConnection *self, FzInstant now)
{
  char text[FZ_CANDIDATE_TEXT_MAX];

  fz_connection_note_activity (self, now, "upsert");
  for (size_t i = 0; fz_path_agent_get_local (self->agent, i, text); i++)
    announce (self, text);
  offer_relay_candidates (self, now);
  if (self->has_path)
    fz_connection_start_handshake_for_path (self, now);
  fz_connection_settle (self, now);
}

void
fz_connection_migrate (FzConnection *self, const FzUuid *relay_id, FzInstant now)
{
  self->relay_id = *relay_id;
  offer_relay_candidates (self, now);
  fz_connection_settle (self, now);
}

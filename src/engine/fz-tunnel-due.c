/* fz-tunnel-due.c
 *
 * When a tunnel has something to do: the times of connectivity.md §2.7, each from the
 * tunnel's state and stamps. Changes nothing; what is done then, and in which order,
 * stands in fz-tunnel.c.
 */

#include "src/engine/fz-tunnel-private.h"

/* Standing tunnels renew unused keys this old: a handshake's time before they must stop sending. */
#define RENEW_AFTER_S (FZ_STOP_SENDING_AFTER_S - 5)

static FzInstant
after_s (FzInstant at, uint64_t seconds)
{
  return fz_instant_add (at, seconds * FZ_S);
}

/* The peer has just made a session and will confirm it, or repeat itself: no need for ours. */
static FzInstant
held_off_until (const FzTunnel *self)
{
  const FzKeypair *keypair = fz_session_ring_newest_unconfirmed (&self->sessions);

  return keypair != NULL ? after_s (keypair->created_at, self->profile.rekey_timeout_s) : 0;
}

/* Rule 6: the age at which an initiator renews keys that it has sent on. */
static FzInstant
rekey_at (const FzKeypair *keypair)
{
  return after_s (keypair->created_at, FZ_REKEY_AFTER_S);
}

/* Rule 6: the age at which it renews keys that it has only received on, early enough to have new
 * ones before these are rejected. */
static FzInstant
last_rekey_at (const FzTunnel *self, const FzKeypair *keypair)
{
  return after_s (keypair->created_at,
                  FZ_REJECT_AFTER_S - self->profile.keepalive_timeout_s -
                      self->profile.rekey_timeout_s);
}

/* Rules 3 and 6 for the initiator of the session that we send on. Rule 3 has a standing tunnel
 * renew unused keys when they are gone, at 180 s; but from 170 s on it may not send on them, and a
 * packet that comes in between would be lost. So it renews before that, used or not. */
static FzInstant
renewal_due_at (const FzTunnel *self, const FzKeypair *keypair)
{
  FzInstant since = MAX (keypair->created_at, 1);

  if (fz_traffic_get_sent_data_at (&self->traffic) >= since)
    return rekey_at (keypair);
  if (self->profile.is_standing)
    return after_s (keypair->created_at, RENEW_AFTER_S);
  if (fz_traffic_get_received_data_at (&self->traffic) >= since)
    return last_rekey_at (self, keypair);
  return FZ_INSTANT_NEVER;
}

FzInstant
fz_tunnel_handshake_due_at (const FzTunnel *self, FzInstant now)
{
  const FzKeypair *keypair = self->sessions.current;
  const FzTunnelProfile *profile = &self->profile;
  uint64_t unanswered_at = fz_traffic_get_unanswered_sent_at (&self->traffic);
  FzInstant due = FZ_INSTANT_NEVER;

  if (keypair == NULL && profile->is_standing && self->was_initiator)
    due = now;
  if (keypair != NULL && keypair->is_initiator)
    due = renewal_due_at (self, keypair);
  if (unanswered_at != 0)
    due = fz_instant_min (
        due, after_s (unanswered_at, profile->keepalive_timeout_s + profile->rekey_timeout_s));

  return due == FZ_INSTANT_NEVER ? due : MAX (due, held_off_until (self));
}

FzInstant
fz_tunnel_passive_keepalive_due_at (const FzTunnel *self)
{
  uint64_t unanswered_at = fz_traffic_get_unanswered_received_at (&self->traffic);

  return unanswered_at != 0 ? after_s (unanswered_at, self->profile.keepalive_timeout_s)
                            : FZ_INSTANT_NEVER;
}

FzInstant
fz_tunnel_persistent_keepalive_due_at (const FzTunnel *self)
{
  return self->profile.persistent_keepalive_s > 0
             ? after_s (fz_traffic_get_last_sent_at (&self->traffic),
                        self->profile.persistent_keepalive_s)
             : FZ_INSTANT_NEVER;
}

FzInstant
fz_tunnel_repetition_due_at (const FzTunnel *self)
{
  return after_s (self->last_attempt_at, self->profile.rekey_timeout_s);
}

FzInstant
fz_tunnel_attempt_ends_at (const FzTunnel *self)
{
  return self->first_attempt_at != FZ_INSTANT_NEVER
             ? after_s (self->first_attempt_at, self->profile.rekey_attempt_s)
             : FZ_INSTANT_NEVER;
}

FzInstant
fz_tunnel_keys_end_at (const FzTunnel *self)
{
  return self->profile.is_standing && self->state != FZ_TUNNEL_EXPIRED
             ? after_s (self->renewed_at, FZ_EXPIRE_AFTER_S)
             : FZ_INSTANT_NEVER;
}

/* -- the next deadline -- */

static FzInstant
traffic_deadline (const FzTunnel *self, FzInstant now)
{
  const FzKeypair *keypair = self->sessions.current;
  FzInstant next = fz_instant_min (fz_tunnel_handshake_due_at (self, now),
                                   fz_tunnel_passive_keepalive_due_at (self));

  next = fz_instant_min (next, self->traffic.look_at);
  if (self->traffic.look_at == FZ_INSTANT_NEVER || keypair == NULL || !keypair->is_initiator)
    return next;

  /* traffic that we have not looked at yet may make these two ages matter */
  const FzInstant ages[] = { rekey_at (keypair), last_rekey_at (self, keypair) };
  for (size_t i = 0; i < G_N_ELEMENTS (ages); i++)
    if (ages[i] > now)
      next = fz_instant_min (next, ages[i]);
  return next;
}

FzInstant
fz_tunnel_find_deadline (const FzTunnel *self, FzInstant now)
{
  FzInstant next = fz_session_ring_next_expiry (&self->sessions);

  next = fz_instant_min (next, fz_tunnel_keys_end_at (self));
  next = fz_instant_min (next, fz_tunnel_attempt_ends_at (self));
  switch (self->state) {
  case FZ_TUNNEL_QUIET:
    next = fz_instant_min (next, traffic_deadline (self, now));
    return fz_instant_min (next, fz_tunnel_persistent_keepalive_due_at (self));
  case FZ_TUNNEL_EXPIRED:
    return fz_instant_min (next, fz_tunnel_persistent_keepalive_due_at (self));
  case FZ_TUNNEL_SCHEDULED:
    return fz_instant_min (next, self->scheduled_at);
  case FZ_TUNNEL_AWAITING:
    return fz_instant_min (next, fz_tunnel_repetition_due_at (self));
  }
  g_assert_not_reached ();
}

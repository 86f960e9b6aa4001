/* fz-nat-gate.c: see the header */
#include "src/dataplane/fz-nat-gate.h"

void
fz_nat_gate_init (FzNatGate *self, const FzRing *to_engine)
{
  *self = (FzNatGate){ .to_engine = to_engine };
}

/* The inside of a session that @flow may have. */
static FzNatKey
key_of (const FzFlow *flow)
{
  return (FzNatKey){ flow->destination, flow->source_port, flow->protocol };
}

static size_t
bucket_of (const FzNatKey *key)
{
  const uint8_t *bytes = key->ip.bytes;

  return (key->port * 31u + bytes[3] + bytes[15] + key->protocol) % FZ_NAT_GATE_BUCKETS;
}

/* A direct flow that stays as it is, for whatever reason. @session: its own, NULL: none yet */
static bool
needs_none (const FzNat *nat, const FzFlow *flow, const FzNatSession *session)
{
  return !fz_nat_is_proxy_ip (&flow->destination) &&
         (!fz_nat_has_key (flow->protocol) || fz_verdict_is_tunnel_ip (&flow->destination) ||
          (session == NULL && fz_nat_is_crowded (nat)));
}

/* Whether an earlier packet of the session may still be with the engine. */
static bool
must_follow (FzNatGate *self, size_t bucket)
{
  uint64_t *position = &self->positions[bucket];

  if (*position == 0)
    return false;
  if (self->n_followers[bucket] < FZ_NAT_GATE_FOLLOWERS_MAX &&
      !fz_ring_is_consumed (self->to_engine, *position))
    return true;
  *position = 0;
  self->n_followers[bucket] = 0;
  return false;
}

FzVerdictKind
fz_nat_gate_pass (FzNatGate *self,
                  const FzNat *nat,
                  const FzFlow *flow,
                  uint8_t *packet,
                  const FzIpPacket *parsed,
                  FzInstant now)
{
  FzNatKey key = key_of (flow);
  FzNatSession *session = nat != NULL ? fz_nat_find_inside (nat, &key) : NULL;

  if (needs_none (nat, flow, session))
    return FZ_VERDICT_PASS;
  if (!fz_nat_has_key (flow->protocol))
    return FZ_VERDICT_DROP;
  if (must_follow (self, bucket_of (&key)) || session == NULL)
    return FZ_VERDICT_TO_ENGINE;
  fz_nat_translate_out (session, packet, parsed, now);
  return FZ_VERDICT_PASS;
}

void
fz_nat_gate_note (FzNatGate *self, const FzFlow *flow)
{
  FzNatKey key = key_of (flow);
  size_t bucket = bucket_of (&key);

  self->positions[bucket] = fz_ring_position (self->to_engine);
  self->n_followers[bucket]++;
}

void
fz_nat_gate_mark_direct (FzFlowMarks *marks, const FzFlow *flow)
{
  FzNatKey outside = key_of (flow); /* its port is kept */

  if (marks != NULL && fz_nat_has_key (flow->protocol) && !fz_nat_is_proxy_ip (&flow->destination))
    fz_flow_marks_add (marks, &flow->source, &outside);
}

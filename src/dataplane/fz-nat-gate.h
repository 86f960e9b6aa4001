/* fz-nat-gate.h
 *
 * Where a client's packets leave a gateway's lane for the sessions of fz-nat.h: those to
 * proxy addresses, and those to hosts that the client also reaches by such addresses.
 * They are judged one by one, and translated in place before they are joined.
 *
 * Order. The first packets of a session are the engine's, which makes it. So that
 * nothing overtakes them, what follows goes the same way until the engine has released
 * the last of their records from the ring; but not for ever: a sender who is faster than
 * the engine would keep it busy. Sessions share a few buckets by their hash, so
 * another's packets may follow, too; they arrive all the same.
 *
 * Belongs to a lane's receive half.
 */
#pragma once

#include "src/base/fz-ring.h"
#include "src/dataplane/fz-flow-marks.h"
#include "src/dataplane/fz-verdict.h"

#define FZ_NAT_GATE_BUCKETS       64u
#define FZ_NAT_GATE_FOLLOWERS_MAX 200u /* packets that go the same way, then order is given up */

typedef struct {
  const FzRing *to_engine;                  /* borrowed */
  uint64_t positions[FZ_NAT_GATE_BUCKETS];  /* behind the last record, 0: nothing outstanding */
  uint8_t n_followers[FZ_NAT_GATE_BUCKETS]; /* since nothing was outstanding */
} FzNatGate;

void fz_nat_gate_init (FzNatGate *self, const FzRing *to_engine);

/* Whether the packet's way leads by a session: to a proxy address, or directly to a host behind
 * one. @nat: the peer's, NULL: it has no sessions */
static inline bool
fz_nat_gate_concerns (const FzNat *nat, const FzIpPacket *packet)
{
  return fz_nat_is_proxied (packet) || (nat != NULL && fz_nat_may_have_host (nat, packet));
}

/**
 * fz_nat_gate_pass:
 * @nat: the peer's sessions, NULL: it has none
 * @flow: of @parsed, which the policy lets pass and fz_nat_gate_concerns
 * @packet: bytes of @parsed
 *
 * Returns: FZ_VERDICT_PASS if it may go now: translated, or a direct flow's as it is;
 *   FZ_VERDICT_TO_ENGINE if it belongs there, and to fz_nat_gate_note after that; FZ_VERDICT_DROP
 *   if there are no sessions for its protocol
 */
FzVerdictKind fz_nat_gate_pass (FzNatGate *self,
                                const FzNat *nat,
                                const FzFlow *flow,
                                uint8_t *packet,
                                const FzIpPacket *parsed,
                                FzInstant now);

/* A packet of @flow has been committed to the ring, or found it full. */
void fz_nat_gate_note (FzNatGate *self, const FzFlow *flow);

/* A flow that the policy has let pass: if it is a direct one, a session that a name makes later
 * must not get its port. @marks: NULL if nobody asks for them */
void fz_nat_gate_mark_direct (FzFlowMarks *marks, const FzFlow *flow);

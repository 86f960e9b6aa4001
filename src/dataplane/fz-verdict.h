/* fz-verdict.h
 *
 * What becomes of an inner packet, as pure functions of the published tables:
 * tunnel.md §7.2 and §7.3 for a client, §6.4 and §6.5 for a gateway, cryptokey
 * routing for the bare engine. Lanes ask once per flow; the engine may ask for
 * the packets it holds.
 *
 * Whether the peer has a session and an address is not asked here: that changes
 * with time. The caller does: without one a client's packet goes to the engine,
 * a gateway's is dropped (FZ_DROP_NO_SESSION), for gateways never buffer.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/dataplane/fz-flow.h"
#include "src/dataplane/fz-snapshot.h"

typedef enum {
  FZ_VERDICT_DROP,      /* reason says why */
  FZ_VERDICT_PASS,      /* transmit: to peer; receive: to the TUN */
  FZ_VERDICT_TO_ENGINE, /* reason: why a received packet was refused, else FZ_DROP_NONE */
} FzVerdictKind;

typedef struct {
  uint8_t kind;   /* FzVerdictKind */
  uint8_t reason; /* FzDrop */
  FzPeer *peer;   /* transmit and PASS: whom to send to; else NULL */
} FzVerdict;

/* A packet from the TUN. A fragment has no ports in reach, so only a resource without filters lets
 * it pass: a large datagram or ping crosses there, and no filter can be evaded by cutting. Upstream
 * refuses every fragment (connectivity.md §9.2), which a person sees as a hang. */
FzVerdict fz_verdict_transmit (const FzSnapshot *snapshot, const FzFlow *flow);

/* A packet that @peer's session has authenticated; control packets and probes are taken out
 * before. */
FzVerdict fz_verdict_receive (const FzSnapshot *snapshot, const FzPeer *peer, const FzFlow *flow);

/* Whether @ip is in the tunnel range: an address of a client or a gateway (tunnel.md §1.1). */
bool fz_verdict_is_tunnel_ip (const FzIp *ip);

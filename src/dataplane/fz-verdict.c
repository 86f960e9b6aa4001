/* fz-verdict.c: see the header */

#include "src/dataplane/fz-verdict.h"

static FzVerdict
drop (FzDrop reason)
{
  return (FzVerdict){ .kind = FZ_VERDICT_DROP, .reason = (uint8_t) reason };
}

static FzVerdict
to_engine (FzDrop reason)
{
  return (FzVerdict){ .kind = FZ_VERDICT_TO_ENGINE, .reason = (uint8_t) reason };
}

static FzVerdict
pass (FzPeer *peer)
{
  return (FzVerdict){ .kind = FZ_VERDICT_PASS, .peer = peer };
}

bool
fz_verdict_is_tunnel_ip (const FzIp *ip)
{
  /* 100.64.0.0/11 and fd00:2021:1111::/107 */
  static const FzIpNetwork ipv4 = { { FZ_IP_V4, { 100, 64 } }, 11 };
  static const FzIpNetwork ipv6 = { { FZ_IP_V6, { 0xfd, 0x00, 0x20, 0x21, 0x11, 0x11 } }, 107 };

  return fz_ip_network_contains (&ipv4, ip) || fz_ip_network_contains (&ipv6, ip);
}

/* Whether @policy (NULL: nothing) lets @ip through with @key. */
static bool
admits (_Atomic (const FzPolicy *) const *policy, const FzIp *ip, FzProtocolKey key)
{
  const FzPolicy *current = atomic_load_explicit (policy, memory_order_acquire);

  return current != NULL && fz_policy_lookup (current, ip, key, NULL) == FZ_POLICY_ADMITTED;
}

static bool
may_send_from (const FzPeer *peer, const FzFlow *flow)
{
  return admits (&peer->sources, &flow->source, fz_flow_key_outbound (flow));
}

/* tunnel.md §7.2. What the filters refuse goes to the engine, which answers with an ICMP error. An
 * ICMP error may belong to a flow that only the engine knows. */
static FzVerdict
transmit_client (const FzSnapshot *snapshot, const FzFlow *flow)
{
  bool has_key = flow->protocol == FZ_PROTOCOL_TCP || flow->protocol == FZ_PROTOCOL_UDP ||
                 flow->protocol == FZ_PROTOCOL_ICMP_ECHO;
  const FzPolicyEntry *entry = NULL;
  FzPolicyAnswer answer;

  if (fz_ip_is_multicast (&flow->destination))
    return drop (FZ_DROP_MULTICAST);
  if (!fz_snapshot_is_own_ip (snapshot, &flow->source))
    return drop (FZ_DROP_NOT_TUNNEL_SOURCE);
  if (fz_snapshot_is_own_ip (snapshot, &flow->destination))
    return drop (FZ_DROP_TO_SELF);

  answer = fz_policy_lookup (
      fz_snapshot_get_routes (snapshot), &flow->destination, fz_flow_key_outbound (flow), &entry);
  if (answer == FZ_POLICY_NO_ENTRY)
    return has_key ? drop (FZ_DROP_NO_ROUTE) : to_engine (FZ_DROP_NONE);
  if (answer == FZ_POLICY_DENIED || entry->peer == NULL || flow->protocol == FZ_PROTOCOL_ICMP_ERROR)
    return to_engine (FZ_DROP_NONE);
  return pass (entry->peer);
}

/* tunnel.md §6.5 */
static FzVerdict
transmit_gateway (const FzSnapshot *snapshot, const FzFlow *flow)
{
  FzPeer *peer = fz_snapshot_find_route (snapshot, &flow->destination, fz_flow_key_return (flow));

  if (peer == NULL)
    return drop (FZ_DROP_NO_ROUTE);
  if (fz_snapshot_is_own_ip (snapshot, &flow->source))
    return pass (peer);
  if (fz_verdict_is_tunnel_ip (&flow->source))
    return drop (FZ_DROP_NOT_ALLOWED);
  if (flow->protocol == FZ_PROTOCOL_ICMP_ERROR) /* it may quote a packet that we have translated */
    return atomic_load_explicit (&peer->nat, memory_order_relaxed) != NULL
               ? to_engine (FZ_DROP_NONE)
               : pass (peer);
  if (!admits (&peer->permissions, &flow->source, fz_flow_key_return (flow)))
    return drop (FZ_DROP_NOT_ALLOWED);
  return pass (peer);
}

static FzVerdict
transmit_bare (const FzSnapshot *snapshot, const FzFlow *flow)
{
  FzPeer *peer = fz_snapshot_find_route (snapshot, &flow->destination, fz_flow_key_outbound (flow));

  return peer != NULL ? pass (peer) : drop (FZ_DROP_NO_ROUTE);
}

FzVerdict
fz_verdict_transmit (const FzSnapshot *snapshot, const FzFlow *flow)
{
  switch (fz_snapshot_get_role (snapshot)) {
  case FZ_ROLE_CLIENT:
    return transmit_client (snapshot, flow);
  case FZ_ROLE_GATEWAY:
    return transmit_gateway (snapshot, flow);
  case FZ_ROLE_BARE:
    return transmit_bare (snapshot, flow);
  }
  return drop (FZ_DROP_NOT_ALLOWED);
}

/* tunnel.md §7.3; that the packet must be for us is ours: a gateway has no business with what lies
 * behind the client. ICMP errors are rare and pass by the engine: "prohibited" tells it that an
 * authorization is gone (portal-protocol.md §10.3). */
static FzVerdict
receive_client (const FzSnapshot *snapshot, const FzPeer *peer, const FzFlow *flow)
{
  if (!may_send_from (peer, flow))
    return drop (FZ_DROP_UNKNOWN_SOURCE);
  if (!fz_snapshot_is_own_ip (snapshot, &flow->destination))
    return drop (FZ_DROP_NOT_ALLOWED);
  if (flow->protocol == FZ_PROTOCOL_ICMP_ERROR ||
      (flow->protocol == FZ_PROTOCOL_UDP &&
       fz_snapshot_is_resolver (snapshot, &flow->source, flow->source_port)))
    return to_engine (FZ_DROP_NONE);
  return pass (NULL);
}

/* tunnel.md §6.4. What is refused goes to the engine, which answers with an ICMP error. */
static FzVerdict
receive_gateway (const FzSnapshot *snapshot, const FzPeer *peer, const FzFlow *flow)
{
  if (fz_ip_is_multicast (&flow->destination))
    return drop (FZ_DROP_MULTICAST);
  if (flow->protocol == FZ_PROTOCOL_ICMP_ERROR)
    return drop (FZ_DROP_NOT_ALLOWED);
  if (!may_send_from (peer, flow))
    return to_engine (FZ_DROP_UNKNOWN_SOURCE);
  if (fz_snapshot_is_own_ip (snapshot, &flow->destination))
    return pass (NULL);
  if (fz_verdict_is_tunnel_ip (&flow->destination) ||
      !admits (&peer->permissions, &flow->destination, fz_flow_key_outbound (flow)))
    return to_engine (FZ_DROP_NOT_ALLOWED);
  return pass (NULL);
}

static FzVerdict
receive_bare (const FzSnapshot *snapshot, const FzPeer *peer, const FzFlow *flow)
{
  if (fz_snapshot_find_route (snapshot, &flow->source, fz_flow_key_return (flow)) != peer)
    return drop (FZ_DROP_UNKNOWN_SOURCE);
  return pass (NULL);
}

FzVerdict
fz_verdict_receive (const FzSnapshot *snapshot, const FzPeer *peer, const FzFlow *flow)
{
  switch (fz_snapshot_get_role (snapshot)) {
  case FZ_ROLE_CLIENT:
    return receive_client (snapshot, peer, flow);
  case FZ_ROLE_GATEWAY:
    return receive_gateway (snapshot, peer, flow);
  case FZ_ROLE_BARE:
    return receive_bare (snapshot, peer, flow);
  }
  return drop (FZ_DROP_NOT_ALLOWED);
}

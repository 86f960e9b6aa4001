/* fz-role.c: see the header */

#include "src/engine/fz-role.h"

#include "src/engine/fz-limits.h"

bool
fz_role_is_own_ip (const FzRoleContext *self, const FzIp *ip)
{
  return self->interface != NULL &&
         (fz_ip_equal (&self->interface->ipv4, ip) || fz_ip_equal (&self->interface->ipv6, ip));
}

void
fz_role_set_interface (FzRoleContext *self, const FzInterface *interface)
{
  if (self->interface != NULL && fz_interface_equal (self->interface, interface))
    return;
  g_clear_pointer (&self->interface, fz_interface_free);
  self->interface = fz_interface_dup (interface);
  self->is_interface_changed = true;
  self->are_routes_changed = true; /* the snapshot holds our addresses */
}

void
fz_role_deliver (FzRoleContext *self, FzSpan packet)
{
  if (!fz_out_queue_push (&self->packets, NULL, NULL, 0, packet))
    fz_role_drop (self, FZ_DROP_QUEUE_FULL);
}

bool
fz_role_send_or_keep (FzRoleContext *self,
                      FzConnection *connection,
                      const FzIpPacket *packet,
                      FzPacketBuffer **waiting,
                      FzInstant now)
{
  FzSpan bytes = fz_span (packet->data, packet->length);
  FzDrop reason = FZ_DROP_NO_SESSION;

  if (*waiting == NULL)
    reason = fz_node_send (self->node, connection, bytes, fz_ip_packet_get_ecn (packet), now);
  if (reason == FZ_DROP_NONE)
    return false;
  if (reason != FZ_DROP_NO_SESSION) {
    fz_role_drop (self, reason);
    return false;
  }
  if (*waiting == NULL)
    *waiting = fz_packet_buffer_new (FZ_PACKET_BUFFER_PACKETS, &self->drops[FZ_DROP_NO_SESSION]);
  fz_role_note_pushed_out (self, fz_packet_buffer_push (*waiting, bytes));
  self->packets_buffered++;
  return true;
}

void
fz_role_push_event (FzRoleContext *self, FzEventKind kind)
{
  FzEvent event = { .kind = kind };

  fz_event_queue_push (&self->events, &event, NULL);
}

bool
fz_role_report_upsert (FzRoleContext *self, FzUpsert result, const char *who, GError **error)
{
  switch (result) {
  case FZ_UPSERT_DONE:
    return true;
  case FZ_UPSERT_NO_RELAYS:
    fz_role_push_event (self, FZ_EVENT_NO_RELAYS);
    return true;
  case FZ_UPSERT_TOO_MANY:
    g_set_error (error,
                 FZ_ENGINE_ERROR,
                 FZ_ENGINE_ERROR_TOO_MANY,
                 "there are %u connections already",
                 FZ_PEERS_MAX);
    return false;
  case FZ_UPSERT_BAD_KEY:
    g_set_error (
        error, FZ_ENGINE_ERROR, FZ_ENGINE_ERROR_INVALID, "public key of the %s is no key", who);
    return false;
  }
  return false;
}

/* Each refusal costs its share of a second, and no more than a burst may be owed: a leaky bucket.
 */
static bool
may_refuse (FzRoleContext *self, FzInstant now)
{
  const uint64_t cost_ns = FZ_S / FZ_REFUSALS_PER_S;
  FzInstant from = MAX (self->refused_until, now);

  if (from - now > (FZ_REFUSALS_BURST - 1) * cost_ns)
    return false;
  self->refused_until = from + cost_ns;
  return true;
}

size_t
fz_role_write_refusal (FzRoleContext *self,
                       const FzIpPacket *packet,
                       FzIcmpReason error,
                       FzDrop reason,
                       FzInstant now,
                       uint8_t out[FZ_ICMP_ERROR_MAX])
{
  fz_role_drop (self, reason);
  if (may_refuse (self, now))
    return fz_icmp_write_error (error, packet, out);
  fz_role_drop (self, FZ_DROP_RATE_LIMITED);
  return 0;
}

void
fz_role_push_peer_event (FzRoleContext *self, FzEventKind kind, const FzUuid *id)
{
  FzConnection *connection = fz_node_find (self->node, id);
  FzEvent event = { .kind = kind, .peer = { .peer_id = *id } };
  FzPath path;

  if (connection != NULL && fz_connection_get_path (connection, &path)) {
    event.peer.path = path.kind;
    event.peer.remote = path.remote;
  }
  fz_event_queue_push (&self->events, &event, NULL);
}

void
fz_role_add_hosts (GArray *entries, const FzIp *ipv4, const FzIp *ipv6, FzPeer *peer)
{
  const FzIp *ips[] = { ipv4, ipv6 };

  for (size_t i = 0; i < G_N_ELEMENTS (ips); i++) {
    FzPolicyEntry entry = {
      .network = { *ips[i], (uint8_t) (8 * fz_ip_size (ips[i])) },
      .peer = peer,
    };

    if (ips[i]->family != FZ_IP_NONE)
      g_array_append_val (entries, entry);
  }
}

/* fz-role.c: see the header */

#include "src/engine/fz-role.h"

#include "src/proto/fz-icmp.h"

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

void
fz_role_refuse (FzRoleContext *self, const FzIpPacket *packet)
{
  uint8_t error[FZ_ICMP_ERROR_MAX];
  size_t length = fz_icmp_write_error (FZ_ICMP_PROHIBITED, packet, error);

  fz_role_drop (self, FZ_DROP_NOT_ALLOWED);
  if (length > 0)
    fz_role_deliver (self, fz_span (error, length));
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

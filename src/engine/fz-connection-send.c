/* fz-connection-send.c
 *
 * Ways out of a connection: datagrams of agent and tunnel over its path, packets
 * sealed by the slow path.
 */

#include "src/engine/fz-connection-private.h"
#include "src/engine/fz-limits.h"
#include "src/proto/fz-p2p-control.h"

#include <string.h>

/* -- datagrams -- */

bool
fz_connection_find_route (FzConnection *self, const FzPath *path, FzInstant now, FzRelayRoute *out)
{
  bool is_ours = self->has_path && fz_connection_is_relay_local (&self->path) &&
                 fz_socket_address_equal (&self->path.remote, &path->remote);

  if (!fz_relay_pool_route (self->context->relays, &self->relay_id, &path->remote, now, out))
    return false;
  /* A relay that started over hands out other channels: the checks notice. */
  if (is_ours && (!self->has_route || self->route.channel != out->channel ||
                  !fz_socket_address_equal (&self->route.to, &out->to))) {
    self->route = *out;
    self->has_route = true;
    self->is_endpoint_new = true;
  }
  return true;
}

/* Room for a datagram of @length bytes on @path, channel header written where it needs one. */
static FzDrop
reserve_on_path (FzConnection *self,
                 const FzPath *path,
                 uint8_t ecn,
                 size_t length,
                 FzInstant now,
                 uint8_t **out)
{
  FzOutQueue *queue = &self->context->transmits;
  FzRelayRoute route;
  uint8_t *room;

  if (!fz_connection_is_relay_local (path)) {
    *out = fz_out_queue_reserve (queue, &path->remote, &path->local.ip, ecn, length);
    return *out != NULL ? FZ_DROP_NONE : FZ_DROP_QUEUE_FULL;
  }

  if (!fz_connection_find_route (self, path, now, &route))
    return FZ_DROP_NO_ROUTE;
  room = fz_out_queue_reserve (queue, &route.to, NULL, ecn, FZ_CHANNEL_HEADER_SIZE + length);
  if (room == NULL)
    return FZ_DROP_QUEUE_FULL;
  fz_channel_header_write (room, route.channel, (uint16_t) length);
  *out = room + FZ_CHANNEL_HEADER_SIZE;
  return FZ_DROP_NONE;
}

void
fz_connection_send_datagram (FzConnection *self, const FzPath *path, FzSpan data, FzInstant now)
{
  uint8_t *room;
  FzDrop drop = reserve_on_path (self, path, FZ_ECN_NOT_ECT, data.length, now, &room);

  if (drop == FZ_DROP_NONE)
    memcpy (room, data.data, data.length);
  else
    fz_connection_count_drop (self, drop);
}

static void
keep_waiting (FzConnection *self, FzSpan data)
{
  if (self->waiting.length >= FZ_CONNECTING_DATAGRAMS_MAX) {
    g_bytes_unref (g_queue_pop_head (&self->waiting));
    fz_connection_count_drop (self, FZ_DROP_QUEUE_FULL);
  }
  g_queue_push_tail (&self->waiting, g_bytes_new (data.data, data.length));
}

void
fz_connection_send_waiting (FzConnection *self, FzInstant now)
{
  GBytes *bytes;

  while ((bytes = g_queue_pop_head (&self->waiting)) != NULL) {
    gsize length;
    const void *data = g_bytes_get_data (bytes, &length);

    fz_connection_send_datagram (self, &self->path, fz_span (data, length), now);
    g_bytes_unref (bytes);
  }
}

void
fz_connection_send_tunnel_transmit (FzConnection *self,
                                    const FzTunnelTransmit *transmit,
                                    FzInstant now)
{
  bool is_response = transmit->kind == FZ_TUNNEL_SENDS_RESPONSE;

  if (self->is_bare && is_response) {
    FzPath path = {
      .kind = FZ_PATH_DIRECT,
      .local = { .ip = transmit->origin.local },
      .remote = transmit->origin.remote,
    };

    fz_connection_send_datagram (self, &path, transmit->data, now);
  } else if (self->has_path) {
    /* With ICE a response goes to the nominated socket, wherever the initiation came from. */
    fz_connection_send_datagram (self, &self->path, transmit->data, now);
  } else if (is_response) {
    keep_waiting (self, transmit->data);
  } else {
    fz_connection_count_drop (self, FZ_DROP_NO_ROUTE);
  }
}

/* -- packets -- */

void
fz_connection_start_handshake (FzConnection *self, FzInstant now)
{
  if (fz_tunnel_is_handshaking (self->tunnel))
    return;
  fz_tunnel_start_handshake (self->tunnel, now);
  fz_connection_settle (self, now);
}

FzDrop
fz_connection_send (FzConnection *self, FzSpan packet, uint8_t ecn, FzInstant now)
{
  uint8_t *room;
  FzDrop drop;

  if (!self->is_established || !self->has_path || !fz_tunnel_can_send (self->tunnel, now))
    return FZ_DROP_NO_SESSION;

  drop = reserve_on_path (
      self, &self->path, ecn, packet.length + FZ_WIREGUARD_DATA_OVERHEAD, now, &room);
  if (drop != FZ_DROP_NONE)
    return drop;
  drop = fz_tunnel_seal (self->tunnel, packet, now, room);
  if (drop != FZ_DROP_NONE) {
    fz_out_queue_unreserve (&self->context->transmits);
    return drop;
  }
  fz_connection_note_activity (self, now, "packet");
  fz_connection_settle (self, now);
  return FZ_DROP_NONE;
}

void
fz_connection_send_goodbye (FzConnection *self, FzInstant now)
{
  uint8_t packet[FZ_P2P_PACKET_MAX];
  size_t length = fz_p2p_write_goodbye (packet);
  FzDrop drop = fz_connection_send (self, fz_span (packet, length), FZ_ECN_NOT_ECT, now);

  fz_log (&self->context->log,
          FZ_LOG_INFO,
          "connection-closed",
          drop == FZ_DROP_NONE ? "connection closed with goodbye" : "connection closed",
          FZ_KV_UUID ("peer", &self->id),
          FZ_KV_TEXT ("state", fz_connection_get_state_name (self)));
}

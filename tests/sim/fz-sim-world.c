/* fz-sim-world.c: see the header */

#include "tests/sim/fz-sim-world.h"

#include "src/proto/fz-dns.h"
#include "src/proto/fz-icmp.h"
#include "src/proto/fz-udp.h"

#include <string.h>

#define PORTAL_DELAY (10 * FZ_MS)
#define QUERY_PORT   5353u /* of the client's program */

static void
echo (FzSimNode *node, const FzSimPacket *request)
{
  FzSimPacket reply = fz_sim_packet_reply (request);
  uint8_t bytes[FZ_SIM_PACKET_MAX];
  size_t length = fz_sim_packet_build (&reply, bytes);

  fz_sim_node_send (node, fz_span (bytes, length));
}

static unsigned
index_of (const FzSimWorld *self, const FzSimNode *node)
{
  unsigned i = 0;

  while (self->nodes[i] != node)
    i++;
  return i;
}

/* Reads what our own stub and the portal's zone write: answers with one record of each address. */
static bool
take_answer (FzSimWorld *self, FzSpan bytes)
{
  FzUdpDatagram datagram;
  FzIpPacket packet;
  FzDnsReply reply;
  FzReader r;

  if (fz_ip_packet_parse (bytes, &packet) != FZ_DROP_NONE || !fz_udp_parse (&packet, &datagram) ||
      datagram.source.port != FZ_DNS_PORT || datagram.destination.port != QUERY_PORT)
    return false;
  g_assert_cmpint (fz_dns_parse_reply (datagram.payload, &reply), ==, FZ_DROP_NONE);
  self->answer = (FzSimAnswer){ .is_answered = true, .code = reply.code };
  r = fz_reader (datagram.payload);
  fz_reader_take (&r, FZ_DNS_HEADER_SIZE + reply.question_size);
  for (unsigned i = 0; i < reply.n_of_type; i++) {
    const uint8_t *ip;
    size_t size;

    fz_reader_take (&r, 10); /* pointer, type, class, lifetime */
    size = fz_reader_u16be (&r);
    ip = fz_reader_take (&r, size);
    g_assert_true (r.ok && self->answer.n_ips < G_N_ELEMENTS (self->answer.ips));
    self->answer.ips[self->answer.n_ips++] = size == 4 ? fz_ip_v4 (ip) : fz_ip_v6 (ip);
  }
  return true;
}

/* Port 53 behind a gateway: a server that knows the portal's names. */
static bool
serve_names (FzSimWorld *self, FzSimNode *node, FzSpan bytes)
{
  uint8_t message[512], packet[FZ_UDP_PACKET_MAX];
  FzUdpDatagram datagram, reply;
  FzIpPacket parsed;

  if (fz_ip_packet_parse (bytes, &parsed) != FZ_DROP_NONE || !fz_udp_parse (&parsed, &datagram) ||
      datagram.destination.port != FZ_DNS_PORT)
    return false;
  self->n_private_queries++;
  reply = (FzUdpDatagram){ datagram.destination, datagram.source, { message, 0 } };
  reply.payload.length = fz_sim_portal_answer (self->portal, datagram.payload, message);
  if (self->is_private_dns_refused)
    fz_sim_node_send (node,
                      fz_span (packet, fz_icmp_write_error (FZ_ICMP_PROHIBITED, &parsed, packet)));
  else if (reply.payload.length > 0)
    fz_sim_node_send (node, fz_span (packet, fz_udp_write (&reply, packet)));
  return true;
}

static void
on_packet (void *context, FzSimNode *node, FzSpan bytes)
{
  FzSimWorld *self = context;
  FzSimSeen seen = { .at = index_of (self, node) };
  FzSimPacket packet;

  if (self->is_gateway[seen.at] ? serve_names (self, node, bytes) : take_answer (self, bytes))
    return;
  if (fz_sim_packet_is_prohibited (bytes, &seen.mark)) {
    seen.is_prohibited = true;
  } else if (fz_sim_packet_parse (bytes, &packet)) {
    seen.mark = packet.mark;
    seen.packet = packet;
  } else {
    self->n_malformed++;
    return;
  }
  g_array_append_val (self->seen, seen);
  if (self->is_gateway[seen.at] && !seen.is_prohibited)
    echo (node, &packet);
}

static void
on_event (void *context, FzSimNode *node, const FzEvent *event)
{
  FzSimWorld *self = context;

  if (event->kind == FZ_EVENT_PEER_CONNECTED)
    self->n_connected++;
  if (event->kind == FZ_EVENT_PEER_DISCONNECTED)
    self->n_connected--;
  if (event->kind == FZ_EVENT_GATEWAYS_OFFLINE)
    self->n_offline++;
  if (event->kind == FZ_EVENT_INTERFACE_CHANGED)
    self->sentinels[index_of (self, node)] = event->interface_changed.n_sentinels > 0
                                                 ? event->interface_changed.sentinels[0].ip
                                                 : (FzIp){ 0 };
  fz_sim_portal_handle_event (self->portal, node, event);
}

void
fz_sim_world_init (FzSimWorld *self, uint64_t seed)
{
  FzRelay relay;

  *self = (FzSimWorld){ .link = { .delay_ns = 5 * FZ_MS } };
  self->sim = fz_sim_new (seed);
  self->portal = fz_sim_portal_new (self->sim, PORTAL_DELAY);
  self->relay = fz_sim_relay_new (self->sim,
                                  FZ_SIM_INTERNET,
                                  FZ_SIM_RELAY_FIREZONE,
                                  &self->link,
                                  "198.51.100.1",
                                  "2001:db8:ffff::1",
                                  3478);
  relay = fz_sim_relay_describe (self->relay);
  fz_sim_portal_add_relay (self->portal, &relay);
  self->seen = g_array_new (FALSE, FALSE, sizeof (FzSimSeen));
}

void
fz_sim_world_clear (FzSimWorld *self)
{
  for (unsigned i = 0; i < self->n_nodes; i++)
    fz_sim_node_free (self->nodes[i]);
  g_clear_pointer (&self->portal, fz_sim_portal_free);
  g_clear_pointer (&self->relay, fz_sim_relay_free);
  g_clear_pointer (&self->sim, fz_sim_free);
  g_clear_pointer (&self->seen, g_array_unref);
}

unsigned
fz_sim_world_add (FzSimWorld *self, bool is_gateway, int nat)
{
  unsigned i = self->n_nodes;
  unsigned parent = FZ_SIM_INTERNET;
  char outer[32], inner[32];
  FzSimNodeHooks hooks = { on_packet, on_event, self };
  unsigned host;

  g_assert (i < FZ_SIM_WORLD_NODES_MAX);
  g_snprintf (outer, sizeof outer, "203.0.113.%u", i + 1);
  g_snprintf (inner, sizeof inner, "192.168.%u.2", i + 1);
  if (nat != FZ_SIM_OPEN) {
    parent = fz_sim_add_router (self->sim, FZ_SIM_INTERNET, (FzSimNat) nat, &self->link);
    fz_sim_add_address (self->sim, parent, outer);
  }
  host = fz_sim_add_host (self->sim, parent, &self->link);
  fz_sim_add_address (self->sim, host, nat != FZ_SIM_OPEN ? inner : outer);
  self->routers[i] = parent;
  self->is_gateway[i] = is_gateway;
  self->nodes[i] = fz_sim_node_new (self->sim,
                                    host,
                                    is_gateway ? FZ_ROLE_GATEWAY : FZ_ROLE_CLIENT,
                                    nat != FZ_SIM_OPEN ? inner : outer,
                                    NULL,
                                    &hooks);
  self->n_nodes++;
  g_assert_cmpuint (
      fz_sim_portal_add_node (self->portal, self->nodes[i], is_gateway, (uint8_t) (i + 1)), ==, i);
  fz_sim_portal_connect (self->portal, i);
  return i;
}

void
fz_sim_world_run (FzSimWorld *self, uint64_t duration_ns)
{
  fz_sim_run_for (self->sim, duration_ns);
}

static void
send_packet (FzSimWorld *self, unsigned client, const char *destination, FzSimPacket *packet)
{
  uint8_t bytes[FZ_SIM_PACKET_MAX];
  size_t length;

  g_assert_true (fz_ip_parse (destination, &packet->destination));
  packet->source =
      fz_sim_portal_get_ip (self->portal, client, packet->destination.family == FZ_IP_V6);
  length = fz_sim_packet_build (packet, bytes);
  fz_sim_node_send (self->nodes[client], fz_span (bytes, length));
}

void
fz_sim_world_send_udp (
    FzSimWorld *self, unsigned client, const char *destination, uint16_t port, uint32_t mark)
{
  FzSimPacket packet = {
    .protocol = FZ_IP_PROTOCOL_UDP,
    .source_port = 40000,
    .destination_port = port != 0 ? port : 7,
    .mark = mark,
    .payload = 4 + mark % 1000,
  };

  send_packet (self, client, destination, &packet);
}

void
fz_sim_world_ping (FzSimWorld *self, unsigned client, const char *destination, uint32_t mark)
{
  FzSimPacket packet = {
    .protocol = FZ_IP_PROTOCOL_ICMP,
    .source_port = 77,
    .destination_port = (uint16_t) mark,
    .mark = mark,
    .payload = 56,
  };

  send_packet (self, client, destination, &packet);
}

static size_t
write_query (const char *name, uint16_t type, uint8_t out[512])
{
  FzWriter w = fz_writer (out, 512);

  fz_writer_u16be (&w, 4711);
  fz_writer_u16be (&w, 0x0100);
  fz_writer_u16be (&w, 1);
  fz_writer_zeros (&w, 6);
  while (*name != '\0') {
    size_t length = strcspn (name, ".");

    fz_writer_u8 (&w, (uint8_t) length);
    fz_writer_bytes (&w, name, length);
    name += length + (name[length] == '.');
  }
  fz_writer_u8 (&w, 0);
  fz_writer_u16be (&w, type);
  fz_writer_u16be (&w, FZ_DNS_CLASS_IN);
  g_assert_true (w.ok);
  return w.length;
}

FzSimAnswer
fz_sim_world_query (FzSimWorld *self, unsigned client, const char *name, uint16_t type)
{
  const FzIp *sentinel = &self->sentinels[client];
  uint8_t message[512], packet[FZ_UDP_PACKET_MAX];
  FzUdpDatagram datagram = {
    .source = { fz_sim_portal_get_ip (self->portal, client, sentinel->family == FZ_IP_V6),
                QUERY_PORT },
    .destination = { *sentinel, FZ_DNS_PORT },
    .payload = { message, write_query (name, type, message) },
  };

  g_assert_cmpuint (sentinel->family, !=, FZ_IP_NONE);
  self->answer = (FzSimAnswer){ 0 };
  fz_sim_node_send (self->nodes[client], fz_span (packet, fz_udp_write (&datagram, packet)));
  for (unsigned i = 0; i < 1000 && !self->answer.is_answered; i++)
    fz_sim_world_run (self, 10 * FZ_MS);
  return self->answer;
}

const FzSimPacket *
fz_sim_world_find (const FzSimWorld *self, unsigned at, uint32_t mark)
{
  for (guint i = 0; i < self->seen->len; i++) {
    const FzSimSeen *seen = &g_array_index (self->seen, FzSimSeen, i);

    if (seen->at == at && seen->mark == mark && !seen->is_prohibited)
      return &seen->packet;
  }
  g_error ("mark %u was not seen at %u", mark, at);
}

unsigned
fz_sim_world_count (const FzSimWorld *self, unsigned at, uint32_t mark)
{
  unsigned n = 0;

  for (guint i = 0; i < self->seen->len; i++) {
    const FzSimSeen *seen = &g_array_index (self->seen, FzSimSeen, i);

    n += seen->at == at && seen->mark == mark && !seen->is_prohibited;
  }
  return n;
}

unsigned
fz_sim_world_count_prohibited (const FzSimWorld *self, unsigned at)
{
  unsigned n = 0;

  for (guint i = 0; i < self->seen->len; i++) {
    const FzSimSeen *seen = &g_array_index (self->seen, FzSimSeen, i);

    n += seen->at == at && seen->is_prohibited;
  }
  return n;
}

void
fz_sim_world_forget (FzSimWorld *self)
{
  g_array_set_size (self->seen, 0);
}

void
fz_sim_world_roam (FzSimWorld *self, unsigned client)
{
  FzCommand command = { .kind = FZ_COMMAND_NETWORK_CHANGED };
  unsigned host = fz_sim_node_get_host (self->nodes[client]);
  char address[32];

  g_assert (self->routers[client] == FZ_SIM_INTERNET);
  g_snprintf (address, sizeof address, "203.0.113.%u", client + 100);
  fz_sim_add_address (self->sim, host, address);
  g_snprintf (address, sizeof address, "203.0.113.%u", client + 1);
  fz_sim_remove_address (self->sim, host, address);
  g_snprintf (address, sizeof address, "203.0.113.%u", client + 100);
  fz_sim_node_set_address (self->nodes[client], address);
  fz_sim_node_command (self->nodes[client], &command);
}

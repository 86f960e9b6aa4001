/* engine-bed.c: see the header */

#include "engine-bed.h"

#include "src/crypto/fz-crypto.h"
#include "src/proto/fz-checksum.h"
#include "src/proto/fz-stun.h"
#include "tests/unit/base/addresses.h"

#include <string.h>

#define UNIX_AT_ZERO UINT64_C (1767225600)

static FzSite bed_site = { { { 0x51 } }, "site" };

/* -- values -- */

FzUuid
bed_uuid (uint8_t first)
{
  return (FzUuid){ { first } };
}

FzInterface
bed_interface (uint8_t last)
{
  FzInterface interface = { .ipv4 = { FZ_IP_V4, { 100, 64, 0, last } },
                            .ipv6 = test_ip ("fd00:2021:1111::") };

  interface.ipv6.bytes[15] = last;
  return interface;
}

FzResource
bed_cidr (uint8_t id, const char *network)
{
  FzResource resource = {
    .kind = FZ_RESOURCE_CIDR,
    .id = bed_uuid (id),
    .name = "resource",
    .sites = &bed_site,
    .n_sites = 1,
  };

  g_assert_true (fz_ip_network_parse (network, &resource.network));
  return resource;
}

FzRelay
bed_relay (void)
{
  return (FzRelay){
    .id = bed_uuid (0x7e),
    .ipv4 = test_address (BED_RELAY),
    .username = "1:user",
    .password = "secret",
    .expires_at = UINT64_MAX,
  };
}

FzCommand
bed_client_init (const FzResource *resources, size_t n_resources, const FzRelay *relay)
{
  FzCommand command = { .kind = FZ_COMMAND_CLIENT_INIT };

  command.client_init.interface = bed_interface (1);
  command.client_init.resources = resources;
  command.client_init.n_resources = n_resources;
  command.client_init.relays = relay;
  command.client_init.n_relays = relay != NULL;
  return command;
}

FzCommand
bed_gateway_init (const FzGrant *grants, size_t n_grants, const FzRelay *relay)
{
  FzCommand command = { .kind = FZ_COMMAND_GATEWAY_INIT };

  command.gateway_init.interface = bed_interface (200);
  command.gateway_init.grants = grants;
  command.gateway_init.n_grants = n_grants;
  command.gateway_init.relays = relay;
  command.gateway_init.n_relays = relay != NULL;
  command.gateway_init.unix_now = UNIX_AT_ZERO;
  return command;
}

/* A key pair's public half that belongs to @seed. */
static void
make_key (uint8_t seed, uint8_t out[FZ_KEY_SIZE])
{
  uint8_t private_key[FZ_KEY_SIZE] = { 8, seed };

  fz_x25519_clamp (private_key);
  fz_x25519_public (private_key, out);
}

FzCommand
bed_created (uint8_t resource, uint8_t gateway)
{
  FzCommand command = { .kind = FZ_COMMAND_AUTHORIZATION_CREATED };
  FzInterface interface = bed_interface (gateway);

  command.authorization_created.resource_id = bed_uuid (resource);
  command.authorization_created.gateway_id = bed_uuid (gateway);
  command.authorization_created.site_id = bed_site.id;
  make_key (gateway, command.authorization_created.gateway_public_key);
  command.authorization_created.gateway_ipv4 = interface.ipv4;
  command.authorization_created.gateway_ipv6 = interface.ipv6;
  command.authorization_created.client_ice = (FzIceCredentials){ "clnt", "client-password-abcdef" };
  command.authorization_created.gateway_ice =
      (FzIceCredentials){ "gate", "gateway-password-ghijk" };
  return command;
}

FzCommand
bed_create (const FzResource *resource, uint8_t client)
{
  FzCommand command = { .kind = FZ_COMMAND_CREATE_AUTHORIZATION };
  FzInterface interface = bed_interface (client);

  command.create_authorization.ref = "ref";
  command.create_authorization.resource = *resource;
  command.create_authorization.client_id = bed_uuid (client);
  make_key (client, command.create_authorization.client_public_key);
  command.create_authorization.client_ipv4 = interface.ipv4;
  command.create_authorization.client_ipv6 = interface.ipv6;
  command.create_authorization.gateway_ice = (FzIceCredentials){ "gate", "gateway-password-ghijk" };
  command.create_authorization.client_ice = (FzIceCredentials){ "clnt", "client-password-abcdef" };
  command.create_authorization.expires_at = UINT64_MAX;
  command.create_authorization.unix_now = UNIX_AT_ZERO;
  return command;
}

/* -- what the engine says -- */

static char *
describe_interface (const FzEvent *event)
{
  g_autoptr (GString) line = g_string_new ("interface");
  char text[FZ_IP_NETWORK_TEXT_MAX];

  g_string_append_printf (
      line, " %s", fz_ip_format (&event->interface_changed.interface.ipv4, text));
  for (size_t i = 0; i < event->interface_changed.n_routes; i++)
    g_string_append_printf (
        line, " %s", fz_ip_network_format (&event->interface_changed.routes[i], text));
  return g_string_free (g_steal_pointer (&line), FALSE);
}

static char *
describe_request (const FzEvent *event)
{
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_printf (line, "request %02x", event->request_authorization.resource_id.bytes[0]);
  for (size_t i = 0; i < event->request_authorization.n_connected; i++)
    g_string_append_printf (
        line, " %02x", event->request_authorization.connected_gateway_ids[i].bytes[0]);
  return g_string_free (g_steal_pointer (&line), FALSE);
}

static char *
describe (const FzEvent *event)
{
  switch (event->kind) {
  case FZ_EVENT_REQUEST_AUTHORIZATION:
    return describe_request (event);
  case FZ_EVENT_NEW_CANDIDATES:
    return g_strdup_printf (
        "candidates %02x %zu", event->candidates.peer_id.bytes[0], event->candidates.n_candidates);
  case FZ_EVENT_INVALIDATED_CANDIDATES:
    return g_strdup_printf (
        "invalidated %02x %zu", event->candidates.peer_id.bytes[0], event->candidates.n_candidates);
  case FZ_EVENT_AUTHORIZATION_ACCEPTED:
    return g_strdup_printf ("accepted %s", event->authorization_ref);
  case FZ_EVENT_NO_RELAYS:
    return g_strdup ("no-relays");
  case FZ_EVENT_PUBLIC_KEY_CHANGED:
    return g_strdup ("public-key");
  case FZ_EVENT_ADDRESS_TAKEN:
    return g_strdup ("address-taken");
  case FZ_EVENT_INTERFACE_CHANGED:
    return describe_interface (event);
  case FZ_EVENT_RESOURCES_CHANGED:
    return g_strdup ("resources");
  case FZ_EVENT_PEER_CONNECTED:
    return g_strdup_printf ("connected %02x", event->peer.peer_id.bytes[0]);
  case FZ_EVENT_PEER_PATH_CHANGED:
    return g_strdup_printf ("path %02x", event->peer.peer_id.bytes[0]);
  case FZ_EVENT_PEER_DISCONNECTED:
    return g_strdup_printf ("disconnected %02x", event->peer.peer_id.bytes[0]);
  case FZ_EVENT_GATEWAYS_OFFLINE:
    return g_strdup_printf ("offline %02x", event->resource_id.bytes[0]);
  case FZ_EVENT_GATEWAY_VERSION_MISMATCH:
    return g_strdup_printf ("version-mismatch %02x", event->resource_id.bytes[0]);
  case FZ_EVENT_ACCESS_DENIED:
    return g_strdup_printf ("denied %02x", event->resource_id.bytes[0]);
  case FZ_EVENT_DNS_QUERY:
    return g_strdup_printf ("dns-query %u", event->dns_query.id);
  case FZ_EVENT_RESOLVE_DOMAIN:
    return g_strdup_printf ("resolve %s", event->resolve_domain.domain);
  }
  g_assert_not_reached ();
}

static void
note_transmit (EngineBed *self, const FzTransmit *transmit)
{
  FzSocketAddress relay = test_address (BED_RELAY);
  FzStunMessage message;

  self->n_transmits++;
  if (fz_socket_address_equal (&transmit->to, &relay) &&
      fz_stun_parse (transmit->data, &message) == FZ_DROP_NONE &&
      message.type == FZ_STUN_BINDING_REQUEST)
    g_ptr_array_add (self->bindings, g_bytes_new (transmit->data.data, transmit->data.length));
}

static void
flush (EngineBed *self)
{
  FzTransmit transmit;
  FzSpan packet;
  FzEvent event;

  while (fz_engine_poll_transmit (self->engine, &transmit))
    note_transmit (self, &transmit);
  while (fz_engine_poll_packet (self->engine, &packet))
    g_ptr_array_add (self->packets, g_bytes_new (packet.data, packet.length));
  fz_engine_publish (self->engine);
  while (fz_engine_poll_event (self->engine, &event))
    g_ptr_array_add (self->events, describe (&event));
}

/* -- the bench -- */

void
bed_init (EngineBed *self, FzRole role)
{
  FzEngineConfig config = { .role = role, .unix_ns_at_zero = UNIX_AT_ZERO * FZ_S };

  g_assert_true (fz_crypto_init ());
  *self = (EngineBed){ .role = role, .now = 1000 * FZ_S };
  fz_seeded_rng_init (&self->rng, 7);
  fz_published_init (&self->published);
  config.rng = fz_seeded_rng (&self->rng);
  config.published = &self->published;
  self->engine = fz_engine_new (&config);
  self->events = g_ptr_array_new_with_free_func (g_free);
  self->packets = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  self->bindings = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
}

void
bed_clear (EngineBed *self)
{
  g_clear_pointer (&self->engine, fz_engine_free);
  fz_published_clear (&self->published);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_clear_pointer (&self->packets, g_ptr_array_unref);
  g_clear_pointer (&self->bindings, g_ptr_array_unref);
}

void
bed_command (EngineBed *self, const FzCommand *command)
{
  g_autoptr (GError) error = NULL;
  bool is_done = fz_engine_handle_command (self->engine, command, self->now, &error);

  g_assert_no_error (error);
  g_assert_true (is_done);
  flush (self);
}

void
bed_refuse (EngineBed *self, const FzCommand *command, FzEngineError code)
{
  g_autoptr (GError) error = NULL;
  guint n_events = self->events->len;
  uint32_t n_peers = bed_n_peers (self);

  g_assert_false (fz_engine_handle_command (self->engine, command, self->now, &error));
  g_assert_error (error, FZ_ENGINE_ERROR, (int) code);
  flush (self);
  g_assert_cmpuint (self->events->len, ==, n_events);
  g_assert_cmpuint (bed_n_peers (self), ==, n_peers);
}

void
bed_run (EngineBed *self, uint64_t duration_ns)
{
  FzInstant until = self->now + duration_ns;
  FzInstant next;

  while ((next = fz_engine_next_timeout (self->engine)) <= until) {
    self->now = MAX (self->now, next);
    fz_engine_handle_timeout (self->engine, self->now);
    flush (self);
    g_assert_cmpuint (fz_engine_next_timeout (self->engine), >, self->now); /* no spinning */
  }
  self->now = until;
}

void
bed_forget (EngineBed *self)
{
  g_ptr_array_set_size (self->events, 0);
  g_ptr_array_set_size (self->packets, 0);
}

void
bed_expect (EngineBed *self, const char *line)
{
  const char *next = self->events->len > 0 ? self->events->pdata[0] : NULL;

  g_assert_cmpstr (next, ==, line);
  if (next != NULL)
    g_ptr_array_remove_index (self->events, 0);
}

bool
bed_has (const EngineBed *self, const char *prefix)
{
  for (guint i = 0; i < self->events->len; i++)
    if (g_str_has_prefix (self->events->pdata[i], prefix))
      return true;
  return false;
}

void
bed_message (EngineBed *self, FzLaneMessageKind kind, uint32_t connection_id, FzSpan data)
{
  g_autofree FzLaneMessage *message = g_malloc0 (sizeof *message + data.length);

  message->kind = (uint8_t) kind;
  message->connection_id = connection_id;
  message->length = (uint32_t) data.length;
  message->from = test_address (BED_RELAY);
  message->to = test_address (BED_LOCAL);
  if (data.length > 0)
    memcpy (message->data, data.data, data.length);
  fz_engine_handle_message (self->engine, message, self->now);
  flush (self);
}

void
bed_answer_relay (EngineBed *self)
{
  FzSocketAddress mapped = test_address ("203.0.113.7:40000");

  self->now += 10 * FZ_MS;
  while (self->bindings->len > 0) {
    g_autoptr (GBytes) request = g_ptr_array_steal_index (self->bindings, 0);
    uint8_t answer[FZ_STUN_WRITE_MAX];
    FzStunMessage message;
    FzWriter w;
    gsize length;
    const void *data = g_bytes_get_data (request, &length);

    g_assert_cmpint (fz_stun_parse (fz_span (data, length), &message), ==, FZ_DROP_NONE);
    fz_stun_begin (&w, answer, sizeof answer, FZ_STUN_BINDING_SUCCESS, &message.transaction_id);
    fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &mapped);
    bed_message (self, FZ_LANE_MESSAGE_DATAGRAM, 0, fz_span (answer, w.length));
  }
}

void
bed_send_bytes (EngineBed *self, FzSpan packet)
{
  bed_message (self, FZ_LANE_MESSAGE_PACKET, 0, packet);
}

void
bed_send (EngineBed *self, const char *source, const char *destination, uint16_t port)
{
  static uint32_t mark;
  FzIp from = test_ip (source);
  FzIp to = test_ip (destination);
  uint8_t bytes[64] = { 0 };
  FzWriter w = fz_writer (bytes, sizeof bytes);

  if (from.family == FZ_IP_V4) {
    fz_writer_u32be (&w, 0x45000020);
    fz_writer_u32be (&w, 0);
    fz_writer_u32be (&w, 64u << 24 | (uint32_t) FZ_IP_PROTOCOL_UDP << 16);
  } else {
    fz_writer_u32be (&w, 0x60000000);
    fz_writer_u32be (&w, 12u << 16 | (uint32_t) FZ_IP_PROTOCOL_UDP << 8 | 64);
  }
  fz_writer_bytes (&w, from.bytes, fz_ip_size (&from));
  fz_writer_bytes (&w, to.bytes, fz_ip_size (&to));
  fz_writer_u16be (&w, 1234);
  fz_writer_u16be (&w, port);
  fz_writer_u16be (&w, 12);
  fz_writer_u16be (&w, 0);
  fz_writer_u32be (&w, ++mark); /* buffers keep unique packets */
  bed_send_bytes (self, fz_span (bytes, w.length));
}

uint64_t
bed_drops (const EngineBed *self, FzDrop reason)
{
  FzEngineCounters counters;

  fz_engine_get_counters (self->engine, &counters);
  return counters.drops[reason];
}

uint32_t
bed_n_peers (const EngineBed *self)
{
  FzEngineCounters counters;

  fz_engine_get_counters (self->engine, &counters);
  return counters.n_peers;
}

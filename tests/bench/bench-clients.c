/* bench-clients.c: see the header */

#include "bench-clients.h"

#include "src/base/fz-bytes.h"
#include "src/engine/fz-cookie.h"
#include "src/engine/fz-ice-message.h"
#include "src/engine/fz-noise.h"
#include "src/proto/fz-candidate.h"
#include "tests/sim/fz-sim-node.h"

#include <string.h>

#define FIRST_PORT   10000u
#define UNIX_AT_ZERO UINT64_C (1767225600)
#define GATEWAY_IP   "203.0.113.1"
#define CLIENTS_IP   "203.0.113.2"
#define PASSWORD     "a-password-of-22-bytes"

typedef struct {
  uint8_t private_key[FZ_KEY_SIZE];
  uint8_t public_key[FZ_KEY_SIZE];
  FzNoiseHandshake handshake;
  FzNoiseKeys keys;
  uint64_t received; /* datagrams with data */
} Client;

struct BenchClients {
  FzSim *sim;
  FzSimRelay *relay;
  FzSimNode *gateway;
  unsigned host; /* of all clients */
  FzAead *aead;
  FzRng rng;
  FzResource resource;
  Client *clients;
  uint32_t n;
  uint32_t n_connected; /* as the gateway says */
};

/* -- the clients' host -- */

static FzSocketAddress
make_socket (const char *ip, uint32_t port)
{
  FzSocketAddress address = { .port = (uint16_t) port };

  g_assert_true (fz_ip_parse (ip, &address.ip));
  return address;
}

static uint32_t
number_of (const FzSocketAddress *local)
{
  return (uint32_t) local->port - FIRST_PORT;
}

static const char *
make_ufrag (char side, uint32_t number, char out[8])
{
  g_snprintf (out, 8, "%c%05u", side, number);
  return out;
}

/* Seals nothing: the session's first word. */
static void
confirm (BenchClients *self,
         uint32_t number,
         uint32_t remote_index,
         const FzSocketAddress *local,
         const FzSocketAddress *to)
{
  FzAeadKey *key = fz_aead_key_new (self->clients[number].keys.send);
  uint8_t datagram[FZ_WIREGUARD_DATA_OVERHEAD], nothing[1] = { 0 };
  FzAeadOp op = { .source = nothing, .target = datagram + FZ_WIREGUARD_DATA_HEADER_SIZE };

  fz_wireguard_write_data_header (datagram, remote_index, 0);
  fz_aead_seal (self->aead, key, &op, 1);
  fz_aead_key_free (key);
  fz_sim_send (self->sim, self->host, local, to, fz_span (datagram, sizeof datagram));
}

/* The noise of both sides; freed by the caller. */
static FzIdentity *
make_noise (BenchClients *self, uint32_t number, FzNoisePeer *out)
{
  const uint8_t no_psk[FZ_KEY_SIZE] = { 0 };
  FzIdentity *identity = fz_identity_new (self->clients[number].private_key, &self->rng);

  g_assert_true (fz_noise_peer_init (
      out, identity, fz_engine_get_public_key (fz_sim_node_get_engine (self->gateway)), no_psk));
  return identity;
}

static void
handle_response (BenchClients *self,
                 const FzWireguardMessage *message,
                 const FzSocketAddress *local,
                 const FzSocketAddress *from)
{
  uint32_t number = number_of (local);
  Client *client = &self->clients[number];
  FzNoisePeer peer;
  FzIdentity *identity = make_noise (self, number, &peer);

  g_assert_cmpint (
      fz_noise_read_response (&client->handshake, identity, &peer, message, &client->keys),
      ==,
      FZ_DROP_NONE);
  fz_identity_free (identity);
  confirm (self, number, message->sender_index, local, from);
}

static void
handle_datagram (void *context,
                 const FzSocketAddress *local,
                 const FzSocketAddress *from,
                 FzSpan data,
                 FzInstant now)
{
  BenchClients *self = context;
  FzWireguardMessage message;
  FzStunMessage stun;
  uint8_t answer[FZ_STUN_WRITE_MAX];

  if (number_of (local) >= self->n)
    return;
  if (fz_stun_parse (data, &stun) == FZ_DROP_NONE) {
    if (stun.type == FZ_STUN_BINDING_REQUEST)
      fz_sim_send (
          self->sim,
          self->host,
          local,
          from,
          fz_span (answer, fz_ice_write_success (answer, &stun.transaction_id, from, PASSWORD)));
    return;
  }
  if (fz_wireguard_parse (data, &message) != FZ_DROP_NONE)
    return;
  if (message.type == FZ_WIREGUARD_RESPONSE)
    handle_response (self, &message, local, from);
  else if (message.type == FZ_WIREGUARD_DATA && data.length > FZ_WIREGUARD_DATA_OVERHEAD)
    self->clients[number_of (local)].received++;
}

static void
handle_timeout (void *context, FzInstant now)
{
}

static FzInstant
next_timeout (void *context)
{
  return FZ_INSTANT_NEVER;
}

static const FzSimProgram program = { handle_datagram, handle_timeout, next_timeout };

/* -- the gateway's host -- */

static void
on_packet (void *context, FzSimNode *node, FzSpan packet)
{
}

static void
on_event (void *context, FzSimNode *node, const FzEvent *event)
{
  BenchClients *self = context;

  self->n_connected += event->kind == FZ_EVENT_PEER_CONNECTED;
  self->n_connected -= event->kind == FZ_EVENT_PEER_DISCONNECTED;
}

static void
start_gateway (BenchClients *self)
{
  FzRelay relay = fz_sim_relay_describe (self->relay);
  FzCommand connected = { .kind = FZ_COMMAND_PORTAL_CONNECTED };
  FzCommand init = { .kind = FZ_COMMAND_GATEWAY_INIT };

  init.gateway_init.interface.ipv4 = (FzIp){ FZ_IP_V4, { 100, 64, 0, 1 } };
  init.gateway_init.interface.ipv6 = (FzIp){ FZ_IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11 } };
  init.gateway_init.relays = &relay;
  init.gateway_init.n_relays = 1;
  init.gateway_init.unix_now = UNIX_AT_ZERO;
  fz_sim_node_command (self->gateway, &connected);
  fz_sim_node_command (self->gateway, &init);
  fz_sim_run_for (self->sim, FZ_S);
}

/* -- public -- */

BenchClients *
bench_clients_new (uint32_t n)
{
  static FzSite site = { { { 0x51 } }, "site" };
  FzSimLink link = { 0 };
  BenchClients *self = g_new0 (BenchClients, 1);
  FzSimNodeHooks hooks = { on_packet, on_event, self };
  unsigned host;

  self->n = n;
  self->clients = g_new0 (Client, n);
  self->aead = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);
  self->sim = fz_sim_new (1);
  self->rng = fz_sim_rng (self->sim);
  self->relay = fz_sim_relay_new (self->sim,
                                  FZ_SIM_INTERNET,
                                  FZ_SIM_RELAY_FIREZONE,
                                  &link,
                                  "198.51.100.1",
                                  "2001:db8:ffff::1",
                                  3478);
  self->host = fz_sim_add_host (self->sim, FZ_SIM_INTERNET, &link);
  fz_sim_add_address (self->sim, self->host, CLIENTS_IP);
  fz_sim_set_program (self->sim, self->host, &program, self);
  host = fz_sim_add_host (self->sim, FZ_SIM_INTERNET, &link);
  fz_sim_add_address (self->sim, host, GATEWAY_IP);
  self->gateway = fz_sim_node_new (self->sim, host, FZ_ROLE_GATEWAY, GATEWAY_IP, NULL, &hooks);
  for (uint32_t i = 0; i < n; i++) {
    fz_rng_fill (&self->rng, self->clients[i].private_key, FZ_KEY_SIZE);
    fz_x25519_clamp (self->clients[i].private_key);
    fz_x25519_public (self->clients[i].private_key, self->clients[i].public_key);
  }
  self->resource = (FzResource){ .kind = FZ_RESOURCE_CIDR,
                                 .id = { { 1 } },
                                 .name = "the network of the site",
                                 .sites = &site,
                                 .n_sites = 1 };
  g_assert_true (fz_ip_network_parse ("10.1.0.0/16", &self->resource.network));
  start_gateway (self);
  return self;
}

void
bench_clients_free (BenchClients *self)
{
  fz_sim_node_free (self->gateway);
  fz_sim_relay_free (self->relay);
  fz_sim_free (self->sim);
  fz_aead_free (self->aead);
  g_free (self->clients);
  g_free (self);
}

FzUuid
bench_client_id (uint32_t number)
{
  FzUuid id = { { 0x40 } };

  memcpy (id.bytes + 4, &number, sizeof number);
  return id;
}

FzIp
bench_client_ip (uint32_t number)
{
  return (FzIp){ FZ_IP_V4, { 100, 65, (uint8_t) (number / 256), (uint8_t) number } };
}

/* A host of a private network that does not answer, the way that does, and a relay's address. */
static void
announce (BenchClients *self, uint32_t number)
{
  FzSocketAddress private = make_socket ("192.168.1.2", FZ_SIM_PORT);
  FzSocketAddress outside = make_socket (CLIENTS_IP, FIRST_PORT + number);
  FzSocketAddress relayed = make_socket ("198.51.100.77", FIRST_PORT + number);
  FzCandidate candidates[] = {
    fz_candidate_host (&private),
    fz_candidate_server_reflexive (&outside, &private),
    fz_candidate_relayed (&relayed, &private),
  };
  char texts[G_N_ELEMENTS (candidates)][FZ_CANDIDATE_TEXT_MAX];
  const char *list[G_N_ELEMENTS (candidates)];
  FzCommand add = { .kind = FZ_COMMAND_ADD_CANDIDATES };

  for (size_t i = 0; i < G_N_ELEMENTS (candidates); i++) {
    candidates[i].priority = fz_candidate_priority (candidates[i].kind, 65535);
    g_strlcpy (candidates[i].foundation, "1", sizeof candidates[i].foundation);
    list[i] = fz_candidate_format (&candidates[i], texts[i]);
  }
  add.candidates.peer_id = bench_client_id (number);
  add.candidates.candidates = list;
  add.candidates.n_candidates = G_N_ELEMENTS (candidates);
  fz_sim_node_command (self->gateway, &add);
}

void
bench_clients_authorize (BenchClients *self, uint32_t number)
{
  FzCommand create = { .kind = FZ_COMMAND_CREATE_AUTHORIZATION };
  char ours[8], theirs[8];

  create.create_authorization.ref = "ref";
  create.create_authorization.resource = self->resource;
  create.create_authorization.client_id = bench_client_id (number);
  memcpy (
      create.create_authorization.client_public_key, self->clients[number].public_key, FZ_KEY_SIZE);
  create.create_authorization.client_ipv4 = bench_client_ip (number);
  create.create_authorization.client_ipv6 = (FzIp){ FZ_IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11 } };
  memcpy (create.create_authorization.client_ipv6.bytes + 12, &number, sizeof number);
  create.create_authorization.client_ipv6.bytes[11] = 1;
  create.create_authorization.gateway_ice =
      (FzIceCredentials){ make_ufrag ('g', number, ours), PASSWORD };
  create.create_authorization.client_ice =
      (FzIceCredentials){ make_ufrag ('c', number, theirs), PASSWORD };
  create.create_authorization.expires_at = UINT64_MAX;
  create.create_authorization.unix_now = UNIX_AT_ZERO;
  fz_sim_node_command (self->gateway, &create);
  announce (self, number);
}

void
bench_clients_reject (BenchClients *self, uint32_t number)
{
  FzCommand reject = { .kind = FZ_COMMAND_REJECT_ACCESS };

  reject.reject_access.client_id = bench_client_id (number);
  reject.reject_access.resource_id = self->resource.id;
  fz_sim_node_command (self->gateway, &reject);
}

static void
send_to_gateway (BenchClients *self, uint32_t number, FzSpan data)
{
  FzSocketAddress from = make_socket (CLIENTS_IP, FIRST_PORT + number);
  FzSocketAddress to = make_socket (GATEWAY_IP, FZ_SIM_PORT);

  fz_sim_send (self->sim, self->host, &from, &to, data);
}

static void
nominate (BenchClients *self, uint32_t number)
{
  uint8_t check[FZ_STUN_WRITE_MAX];
  FzStunTransactionId id;
  char ours[8], theirs[8], username[20];

  fz_rng_fill (&self->rng, id.bytes, sizeof id.bytes);
  g_snprintf (username,
              sizeof username,
              "%s:%s",
              make_ufrag ('g', number, theirs),
              make_ufrag ('c', number, ours));
  send_to_gateway (self,
                   number,
                   fz_span (check,
                            fz_ice_write_check (check,
                                                &(FzIceCheck){ .transaction_id = &id,
                                                               .username = username,
                                                               .password = PASSWORD,
                                                               .is_controlling = true,
                                                               .tie_breaker = number + 1,
                                                               .priority = 1862270975,
                                                               .use_candidate = true })));
}

static void
shake_hands (BenchClients *self, uint32_t number)
{
  uint8_t timestamp[FZ_TAI64N_SIZE], datagram[FZ_WIREGUARD_INITIATION_SIZE] = { 0 };
  FzNoisePeer peer;
  FzIdentity *identity = make_noise (self, number, &peer);
  FzCookieJar jar;

  fz_tai64n_write (UNIX_AT_ZERO * FZ_S + fz_sim_now (self->sim), timestamp);
  fz_noise_write_initiation (
      identity, &peer, &self->rng, number, timestamp, &self->clients[number].handshake, datagram);
  fz_identity_free (identity);
  fz_cookie_jar_init (&jar, fz_engine_get_public_key (fz_sim_node_get_engine (self->gateway)));
  fz_cookie_jar_seal (&jar, datagram, sizeof datagram, number, fz_sim_now (self->sim));
  send_to_gateway (self, number, fz_span (datagram, sizeof datagram));
}

void
bench_clients_connect (BenchClients *self, uint32_t number)
{
  nominate (self, number);
  fz_sim_run_for (self->sim, FZ_MS);
  shake_hands (self, number);
  fz_sim_run_for (self->sim, BENCH_CLIENTS_CONNECT_NS - FZ_MS);
}

void
bench_clients_run (BenchClients *self, uint64_t duration_ns)
{
  fz_sim_run_for (self->sim, duration_ns);
}

bool
bench_clients_send (BenchClients *self, uint32_t number)
{
  uint64_t before = self->clients[number].received;
  FzIp to = bench_client_ip (number);
  uint8_t packet[28] = { 0 };
  FzWriter w = fz_writer (packet, sizeof packet);

  fz_writer_u32be (&w, 0x45000000 | sizeof packet);
  fz_writer_u32be (&w, 0);
  fz_writer_u32be (&w, 64u << 24 | (uint32_t) FZ_IP_PROTOCOL_UDP << 16);
  fz_writer_u32be (&w, 0x0a010203);
  fz_writer_bytes (&w, to.bytes, 4);
  fz_writer_u16be (&w, 7);
  fz_writer_u16be (&w, 40000);
  fz_writer_u16be (&w, 8);
  fz_writer_u16be (&w, 0);
  fz_sim_node_send (self->gateway, fz_span (packet, sizeof packet));
  fz_sim_run_for (self->sim, FZ_MS);
  return self->clients[number].received > before;
}

uint32_t
bench_clients_get_n_connected (const BenchClients *self)
{
  return self->n_connected;
}

uint64_t
bench_clients_get_wakeups (const BenchClients *self)
{
  return fz_sim_node_get_stats (self->gateway)->n_wakeups;
}

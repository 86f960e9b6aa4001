/* bench-peers.c
 *
 * What many peers cost one engine: time to add each, its memory before and after
 * handshakes, the time of a handshake, and wake-ups while nothing happens. Bare
 * peers go through handshakes; a gateway's clients are counted on their way to a
 * path that never comes, and (bench-clients.h) with path and session. No devices, no sockets.
 * Memory is what the process has grown by, divided by the peers: all of it, allocator, tables and
 * locked pages included.
 *
 * Usage: bench-peers [peers]
 */

#include "bench-clients.h"
#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/engine/fz-engine.h"
#include "src/engine/fz-noise.h"
#include "tests/unit/engine/engine-bed.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define START      (1000 * FZ_S)
#define MESSAGE    (sizeof (FzLaneMessage) + 256u)
#define IDLE_S     60u
#define SETTLED_NS (2 * FZ_S)

#define RENEWALS      4u /* of every client's keys */
#define RENEW_AFTER_S 100u

typedef struct {
  uint8_t private_key[FZ_KEY_SIZE];
  uint8_t public_key[FZ_KEY_SIZE];
} Key;

typedef struct {
  FzPublished published;
  FzEngine *engine;
  FzInstant now;
  Key *keys;
  uint32_t n;
  uint32_t last_response; /* index of the responder's session, from the datagram */
  uint32_t n_responses;
  uint64_t unix_ns;
} Peers;

static double
read_clock (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static double
resident_bytes (void)
{
  long pages = 0;
  FILE *file = fopen ("/proc/self/statm", "re");

  malloc_trim (0);
  if (file == NULL || fscanf (file, "%*d %ld", &pages) != 1)
    pages = 0;
  if (file != NULL)
    fclose (file);
  return (double) pages * (double) sysconf (_SC_PAGESIZE);
}

static void
print (const char *name, double value, const char *unit)
{
  printf ("%-48s %10.2f %s\n", name, value, unit);
  fflush (stdout);
}

static void
take_outputs (Peers *self)
{
  FzTransmit transmit;
  FzEvent event;
  FzSpan packet;

  while (fz_engine_poll_transmit (self->engine, &transmit))
    if (transmit.data.length == FZ_WIREGUARD_RESPONSE_SIZE) {
      self->last_response = fz_get_u32le (transmit.data.data + 4);
      self->n_responses++;
    }
  while (fz_engine_poll_packet (self->engine, &packet))
    ;
  fz_engine_publish (self->engine);
  while (fz_engine_poll_event (self->engine, &event))
    ;
}

static void
make_keys (Peers *self, const FzRng *rng)
{
  self->keys = calloc (self->n, sizeof *self->keys);
  for (uint32_t i = 0; i < self->n; i++) {
    fz_rng_fill (rng, self->keys[i].private_key, FZ_KEY_SIZE);
    fz_x25519_clamp (self->keys[i].private_key);
    fz_x25519_public (self->keys[i].private_key, self->keys[i].public_key);
  }
}

/* Events are left for later: the one about the interface names every network there is. */
static void
command (Peers *self, const FzCommand *command)
{
  g_autoptr (GError) error = NULL;

  if (!fz_engine_handle_command (self->engine, command, self->now, &error))
    g_error ("%s", error->message);
  fz_engine_publish (self->engine);
}

static void
add_peer (Peers *self, uint32_t number)
{
  FzCommand add = { .kind = FZ_COMMAND_ADD_BARE_PEER };
  FzIpNetwork allowed = { bench_client_ip (number), 32 };

  add.bare_peer.id = bench_client_id (number);
  memcpy (add.bare_peer.public_key, self->keys[number].public_key, FZ_KEY_SIZE);
  add.bare_peer.allowed = &allowed;
  add.bare_peer.n_allowed = 1;
  command (self, &add);
}

static void
hand_over (Peers *self, FzLaneMessageKind kind, uint32_t local_index, FzSpan data)
{
  _Alignas(8) uint8_t room[MESSAGE] = { 0 };
  FzLaneMessage *message = (FzLaneMessage *) (void *) room;

  message->kind = (uint8_t) kind;
  message->connection_id = local_index >> 8;
  message->local_index = local_index;
  message->length = (uint32_t) data.length;
  message->from = (FzSocketAddress){ bench_client_ip (local_index >> 8), 51820 };
  message->to = (FzSocketAddress){ { FZ_IP_V4, { 10, 0, 0, 1 } }, 51820 };
  if (data.length > 0)
    memcpy (message->data, data.data, data.length);
  fz_engine_handle_message (self->engine, message, self->now);
  take_outputs (self);
}

/* One handshake; returns the responder's seconds. The time is a millisecond later each, so that
 * no limit is met. */
static double
shake_hands (Peers *self, uint32_t number, const FzRng *rng)
{
  const uint8_t no_psk[FZ_KEY_SIZE] = { 0 };
  FzIdentity *identity = fz_identity_new (self->keys[number].private_key, rng);
  uint8_t timestamp[FZ_TAI64N_SIZE], datagram[FZ_WIREGUARD_INITIATION_SIZE] = { 0 };
  FzNoiseHandshake handshake;
  FzNoisePeer noise;
  FzCookieJar jar;
  double before;

  self->now += 10 * FZ_MS;
  fz_tai64n_write (self->unix_ns + self->now, timestamp);
  if (!fz_noise_peer_init (&noise, identity, fz_engine_get_public_key (self->engine), no_psk))
    abort ();
  fz_noise_write_initiation (identity, &noise, rng, number, timestamp, &handshake, datagram);
  fz_cookie_jar_init (&jar, fz_engine_get_public_key (self->engine));
  fz_cookie_jar_seal (&jar, datagram, sizeof datagram, number, self->now);
  fz_identity_free (identity);

  before = read_clock ();
  hand_over (self, FZ_LANE_MESSAGE_DATAGRAM, 0, fz_span (datagram, sizeof datagram));
  hand_over (self, FZ_LANE_MESSAGE_CONFIRMED, self->last_response, fz_span (NULL, 0));
  return read_clock () - before;
}

/* With every deadline on the way; returns how many wake-ups there were. */
static unsigned
run (Peers *self, uint64_t duration_ns)
{
  FzInstant until = self->now + duration_ns, next;
  unsigned n = 0;

  while ((next = fz_engine_next_timeout (self->engine)) <= until) {
    self->now = MAX (self->now, next);
    fz_engine_handle_timeout (self->engine, self->now);
    take_outputs (self);
    n++;
  }
  self->now = until;
  return n;
}

static void
init (Peers *self, uint32_t n, FzSeededRng *seeded)
{
  FzEngineConfig config = { .role = FZ_ROLE_BARE };
  FzCommand configure = { .kind = FZ_COMMAND_CONFIG_CHANGED };
  FzRng rng;

  *self = (Peers){ .n = n, .now = START, .unix_ns = UINT64_C (1767225600) * FZ_S };
  fz_seeded_rng_init (seeded, 1);
  rng = fz_seeded_rng (seeded);
  make_keys (self, &rng);
  fz_published_init (&self->published);
  config.rng = rng;
  config.published = &self->published;
  config.unix_ns_at_zero = self->unix_ns;
  self->engine = fz_engine_new (&config);
  configure.config_changed = bed_interface (1);
  command (self, &configure);
}

static double
shake_all (Peers *self, const FzRng *rng)
{
  double seconds = 0;

  for (uint32_t i = 0; i < self->n; i++)
    seconds += shake_hands (self, i, rng);
  return seconds / self->n * 1e6;
}

/* What a flood costs: right length, wrong mac1. */
static double
refuse_forged (Peers *self, unsigned n)
{
  uint8_t datagram[FZ_WIREGUARD_INITIATION_SIZE] = { FZ_WIREGUARD_INITIATION };
  double before = read_clock ();

  for (unsigned i = 0; i < n; i++)
    hand_over (self, FZ_LANE_MESSAGE_DATAGRAM, 0, fz_span (datagram, sizeof datagram));
  return (read_clock () - before) / n * 1e6;
}

static void
measure_bare (uint32_t n)
{
  FzSeededRng seeded;
  FzRng rng = fz_seeded_rng (&seeded);
  Peers self;
  double start, before, at;

  init (&self, n, &seeded);
  start = resident_bytes ();
  before = read_clock ();
  for (uint32_t i = 0; i < n / 10; i++)
    add_peer (&self, i);
  at = read_clock ();
  print ("add one of the first tenth", (at - before) / (n / 10) * 1e6, "us");
  for (uint32_t i = n / 10; i < n - n / 10; i++)
    add_peer (&self, i);
  before = read_clock ();
  for (uint32_t i = n - n / 10; i < n; i++)
    add_peer (&self, i);
  at = read_clock ();
  print ("add one of the last tenth", (at - before) / (n / 10) * 1e6, "us");
  take_outputs (&self);
  print ("memory without session", (resident_bytes () - start) / n, "bytes/peer");

  print ("handshake as responder, with confirmation", shake_all (&self, &rng), "us");
  print ("forged handshake", refuse_forged (&self, 10 * n), "us");
  print ("memory with one session", (resident_bytes () - start) / n, "bytes/peer");
  shake_all (&self, &rng);
  print ("memory with two sessions", (resident_bytes () - start) / n, "bytes/peer");
  run (&self, SETTLED_NS);
  print ("wake-ups, all idle", (double) run (&self, IDLE_S * FZ_S) / IDLE_S, "/s");

  before = read_clock ();
  command (&self, &(FzCommand){ .kind = FZ_COMMAND_SHUT_DOWN });
  take_outputs (&self);
  print ("say goodbye to one", (read_clock () - before) / n * 1e6, "us");
  fz_engine_free (self.engine);
  fz_published_clear (&self.published);
  free (self.keys);
  print ("memory left behind", (resident_bytes () - start) / n, "bytes/peer");
}

/* -- a gateway's clients -- */

static void
authorize (EngineBed *bed, const FzResource *resource, uint32_t number)
{
  FzCommand create = bed_create (resource, 1);
  char ufrag[16];

  snprintf (ufrag, sizeof ufrag, "u%07x", number);
  create.create_authorization.client_id = bench_client_id (number);
  memcpy (create.create_authorization.client_public_key, &number, sizeof number);
  create.create_authorization.client_ipv4 = bench_client_ip (number);
  memcpy (create.create_authorization.client_ipv6.bytes + 8, &number, sizeof number);
  create.create_authorization.gateway_ice.username = ufrag;
  bed_command (bed, &create);
  bed_forget (bed);
}

static void
measure_gateway (uint32_t n)
{
  EngineBed bed;
  FzRelay relay = bed_relay ();
  FzCommand gateway_init = bed_gateway_init (NULL, 0, &relay);
  FzResource resource = bed_cidr (1, "10.1.0.0/16");
  double start, before, first;

  bed_init (&bed, FZ_ROLE_GATEWAY);
  bed_command (&bed, &gateway_init);
  bed_answer_relay (&bed);
  start = resident_bytes ();
  before = read_clock ();
  for (uint32_t i = 0; i < n / 10; i++)
    authorize (&bed, &resource, i);
  first = read_clock () - before;
  print ("gateway: authorize one of the first tenth", first / (n / 10) * 1e6, "us");
  for (uint32_t i = n / 10; i < n - n / 10; i++)
    authorize (&bed, &resource, i);
  before = read_clock ();
  for (uint32_t i = n - n / 10; i < n; i++)
    authorize (&bed, &resource, i);
  first = read_clock () - before;
  print ("gateway: authorize one of the last tenth", first / (n / 10) * 1e6, "us");
  print ("gateway: memory while connecting", (resident_bytes () - start) / n, "bytes/peer");
  before = read_clock ();
  bed_run (&bed, 15 * FZ_S); /* nobody comes */
  print ("gateway: give up one", (read_clock () - before) / n * 1e6, "us");
  bed_forget (&bed);
  print ("gateway: memory when all have gone", (resident_bytes () - start) / n, "bytes/peer");
  bed_clear (&bed);
}

/* Its clients on their way, with keys that were renewed a few times. The relay of the simulator is
 * in it, some hundred bytes a client. */
static void
measure_clients (uint32_t n)
{
  BenchClients *clients = bench_clients_new (n);
  double start = resident_bytes (), before = read_clock ();
  unsigned n_reached = 0;
  uint64_t n_wakeups;

  for (uint32_t i = 0; i < n; i++) {
    bench_clients_authorize (clients, i);
    bench_clients_connect (clients, i);
  }
  print ("client: connect one", (read_clock () - before) / n * 1e6, "us");
  bench_clients_run (clients, FZ_S);
  print ("client: connected", bench_clients_get_n_connected (clients), "clients");
  print ("client: memory with a session", (resident_bytes () - start) / n, "bytes/client");
  for (unsigned round = 0; round < RENEWALS; round++) {
    for (uint32_t i = 0; i < n; i++)
      bench_clients_connect (clients, i);
    bench_clients_run (clients, RENEW_AFTER_S * FZ_S - n * BENCH_CLIENTS_CONNECT_NS);
  }
  print ("client: memory after renewals", (resident_bytes () - start) / n, "bytes/client");
  n_wakeups = bench_clients_get_wakeups (clients);
  bench_clients_run (clients, IDLE_S * FZ_S);
  n_wakeups = bench_clients_get_wakeups (clients) - n_wakeups;
  print ("client: wake-ups, all idle", (double) n_wakeups / IDLE_S, "/s");
  for (uint32_t i = 0; i < n; i++)
    n_reached += bench_clients_send (clients, i);
  print ("client: reached by a packet", n_reached, "clients");
  for (uint32_t i = 0; i < n; i++)
    bench_clients_reject (clients, i);
  bench_clients_run (clients, IDLE_S * FZ_S);
  print ("client: memory when all have gone", (resident_bytes () - start) / n, "bytes/client");
  bench_clients_free (clients);
}

int
main (int argc, char **argv)
{
  uint32_t n = argc > 1 ? (uint32_t) strtoul (argv[1], NULL, 10) : 10000;

  if (n < 10 || n > 16384 || !fz_crypto_init ()) {
    fprintf (stderr, "usage: bench-peers [peers, 10 to 16384]\n");
    return 2;
  }
  printf ("%u peers, locked memory: %s\n", n, fz_secret_is_locked () ? "yes" : "no");
  measure_bare (n);
  measure_gateway (n);
  measure_clients (n);
  return 0;
}

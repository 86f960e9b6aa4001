/* test-node.c: connections as such: limits, look-ups, relays that go and come (connectivity.md
 * §12.1). */

#include "src/base/fz-bytes.h"
#include "src/crypto/fz-crypto.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-node.h"
#include "src/engine/fz-stun-auth.h"
#include "src/proto/fz-stun.h"
#include "tests/unit/base/addresses.h"

#include <string.h>

#define LOCAL "192.168.1.5:52625"

typedef struct {
  FzSeededRng rng;
  FzReclaim *reclaim;
  FzCandidateOutbox *outbox;
  FzNode *node;
  FzInstant now;
} Bed;

static void
bed_init_config (Bed *self, const FzNodeConfig *wanted)
{
  FzNodeConfig config = *wanted;

  g_assert_true (fz_crypto_init ());
  *self = (Bed){ .now = FZ_S };
  fz_seeded_rng_init (&self->rng, 3);
  self->reclaim = fz_reclaim_new ();
  self->outbox = fz_candidate_outbox_new ();
  fz_candidate_outbox_set_held (self->outbox, false);
  config.rng = fz_seeded_rng (&self->rng);
  config.reclaim = self->reclaim;
  config.outbox = self->outbox;
  self->node = fz_node_new (&config);
}

static void
bed_init_with (Bed *self, FzRole role, FzSteering steering)
{
  bed_init_config (self, &(FzNodeConfig){ .role = role, .steering = steering });
}

static void
bed_init_role (Bed *self, FzRole role)
{
  bed_init_with (self, role, (FzSteering){ 0 });
}

static void
bed_init_workers (Bed *self)
{
  bed_init_config (self, &(FzNodeConfig){ .role = FZ_ROLE_BARE, .has_workers = true });
}

static void
bed_init (Bed *self)
{
  bed_init_role (self, FZ_ROLE_GATEWAY);
}

/* With every deadline on the way. */
static void
bed_run_until (Bed *self, FzInstant until)
{
  FzInstant next;

  while ((next = fz_node_next_timeout (self->node)) <= until) {
    self->now = MAX (self->now, next);
    fz_node_handle_timeout (self->node, self->now);
  }
  self->now = until;
}

static void
bed_clear (Bed *self)
{
  fz_node_free (self->node);
  fz_candidate_outbox_free (self->outbox);
  fz_reclaim_free (self->reclaim);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bed, bed_clear)

static FzRelay
relay (uint8_t number)
{
  FzRelay result = {
    .id = { { number } },
    .ipv4 = test_address ("198.51.100.0:3478"),
    .username = "1:user",
    .password = "secret",
    .expires_at = UINT64_MAX,
  };

  result.ipv4.ip.bytes[3] = number;
  return result;
}

/* Polls the transmits; answers the binding requests to this relay, 0: to none. */
static void
answer (Bed *self, uint8_t number)
{
  FzSocketAddress local = test_address (LOCAL);
  FzSocketAddress mapped = test_address ("203.0.113.7:40000");
  FzTransmit transmit;

  self->now += 10 * FZ_MS;
  while (fz_node_poll_transmit (self->node, &transmit)) {
    FzSocketAddress to = transmit.to;
    uint8_t bytes[FZ_STUN_WRITE_MAX];
    FzStunMessage message;
    FzWriter w;

    if (fz_stun_parse (transmit.data, &message) != FZ_DROP_NONE ||
        message.type != FZ_STUN_BINDING_REQUEST || to.ip.bytes[3] != number)
      continue;
    fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_SUCCESS, &message.transaction_id);
    fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &mapped);
    g_assert_cmpint (
        fz_node_handle_datagram (self->node, &local, &to, fz_span (bytes, w.length), self->now),
        ==,
        FZ_DROP_NONE);
  }
}

static void
update_relays (Bed *self, const uint8_t *removed, uint8_t added)
{
  FzUuid id = { { removed != NULL ? *removed : 0 } };
  FzRelay offered = relay (added);

  fz_node_update_relays (self->node, &id, removed != NULL, &offered, added != 0, self->now);
}

/* A key that belongs to @number; X25519 takes any. */
static FzUpsert
upsert (Bed *self, uint32_t number, const char *ufrag)
{
  uint8_t public_key[FZ_KEY_SIZE] = { 9 };
  uint8_t preshared_key[FZ_KEY_SIZE] = { 1 };
  FzConnectionRequest request = {
    .public_key = public_key,
    .preshared_key = preshared_key,
    .local_ice = { ufrag, "password-of-twenty-two" },
    .remote_ice = { "peer", "password-of-the-other." },
  };

  memcpy (request.id.bytes, &number, sizeof number);
  memcpy (public_key + 8, &number, sizeof number);
  return fz_node_upsert (self->node, &request, self->now, NULL);
}

static FzUuid
id_of (uint32_t number)
{
  FzUuid id = { { 0 } };

  memcpy (id.bytes, &number, sizeof number);
  return id;
}

static void
test_peer_limit (void)
{
  g_auto (Bed) bed;
  FzUuid first = id_of (0);

  bed_init (&bed);
  update_relays (&bed, NULL, 1);
  answer (&bed, 1);
  for (uint32_t i = 0; i < FZ_PEERS_MAX; i++)
    g_assert_cmpint (upsert (&bed, i, "same"), ==, FZ_UPSERT_DONE);
  g_assert_cmpint (upsert (&bed, FZ_PEERS_MAX, "same"), ==, FZ_UPSERT_TOO_MANY);
  g_assert_cmpint (upsert (&bed, 5, "same"), ==, FZ_UPSERT_DONE); /* one that is there */
  g_assert_cmpuint (fz_node_get_n_connections (bed.node), ==, FZ_PEERS_MAX);
  fz_node_remove (bed.node, &first, bed.now);
  g_assert_cmpint (upsert (&bed, FZ_PEERS_MAX, "same"), ==, FZ_UPSERT_DONE);
  fz_node_publish (bed.node);

  bed.now += 11 * FZ_S; /* nobody sends candidates */
  fz_node_handle_timeout (bed.node, bed.now);
  g_assert_cmpuint (fz_node_get_n_connections (bed.node), ==, 0);
}

/* N8: the connection keeps its relay until there is another. */
static void
test_relay_migration (void)
{
  g_auto (Bed) bed;
  const uint8_t first = 1;
  FzUuid id = id_of (7);
  FzConnection *connection;
  FzNodeEvent event;

  bed_init (&bed);
  g_assert_cmpint (upsert (&bed, 7, "ufrg"), ==, FZ_UPSERT_NO_RELAYS);
  g_assert_cmpuint (fz_node_get_n_connections (bed.node), ==, 0);
  update_relays (&bed, NULL, 1);
  g_assert_cmpint (upsert (&bed, 7, "ufrg"), ==, FZ_UPSERT_NO_RELAYS); /* it has not answered */
  answer (&bed, 1);
  g_assert_cmpint (upsert (&bed, 7, "ufrg"), ==, FZ_UPSERT_DONE);
  connection = fz_node_find (bed.node, &id);
  g_assert_cmpuint (fz_connection_get_relay_id (connection)->bytes[0], ==, 1);

  update_relays (&bed, &first, 0);
  g_assert_cmpuint (fz_connection_get_relay_id (connection)->bytes[0], ==, 1);
  update_relays (&bed, NULL, 2);
  g_assert_cmpuint (fz_connection_get_relay_id (connection)->bytes[0], ==, 1);
  answer (&bed, 2);
  g_assert_cmpuint (fz_connection_get_relay_id (connection)->bytes[0], ==, 2);
  while (fz_node_poll_event (bed.node, &event))
    g_assert_cmpint (event.kind, ==, FZ_NODE_EVENT_NO_RELAYS);
}

/* -- look-ups -- */

static FzDrop
check_from_peer (Bed *self, const char *ufrag, const char *password)
{
  static const FzStunTransactionId id = { { 1, 2, 3 } };
  FzSocketAddress local = test_address (LOCAL);
  FzSocketAddress from = test_address ("192.0.2.9:9");
  g_autofree char *username = g_strconcat (ufrag, ":peer", NULL);
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzWriter w;

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_REQUEST, &id);
  fz_stun_write_text (&w, FZ_STUN_USERNAME, username);
  fz_stun_write_u64 (&w, FZ_STUN_ICE_CONTROLLING, 7);
  fz_stun_write_u32 (&w, FZ_STUN_PRIORITY, 1000);
  fz_stun_sign (&w, fz_stun_short_term_key (password));
  fz_stun_write_fingerprint (&w);
  return fz_node_handle_datagram (self->node, &local, &from, fz_span (bytes, w.length), self->now);
}

static FzDrop
answer_check (Bed *self, const FzStunTransactionId *id, const char *password)
{
  FzSocketAddress local = test_address (LOCAL);
  FzSocketAddress from = test_address ("192.0.2.9:9");
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzWriter w;

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_SUCCESS, id);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &local);
  fz_stun_sign (&w, fz_stun_short_term_key (password));
  return fz_node_handle_datagram (self->node, &local, &from, fz_span (bytes, w.length), self->now);
}

/* Who sees a check can be quicker with an answer than the peer; the peer's counts all the same. */
static void
test_forged_answer (void)
{
  static const char *const candidates[] = {
    "candidate:1 1 udp 2130706175 192.0.2.9 9 typ host ufrag peer"
  };
  g_auto (Bed) bed;
  FzUuid id = id_of (1);
  FzStunTransactionId check = { { 0 } };
  bool is_checked = false;
  FzTransmit transmit;

  bed_init (&bed);
  update_relays (&bed, NULL, 1);
  answer (&bed, 1);
  upsert (&bed, 1, "abcd");
  fz_node_add_candidates (bed.node, &id, candidates, 1, bed.now);
  while (fz_node_poll_transmit (bed.node, &transmit)) {
    FzStunMessage message;

    if (transmit.to.port != 9 || fz_stun_parse (transmit.data, &message) != FZ_DROP_NONE)
      continue;
    check = message.transaction_id;
    is_checked = true;
  }
  g_assert_true (is_checked);
  g_assert_cmpint (answer_check (&bed, &check, "not-the-password"), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (answer_check (&bed, &check, "password-of-the-other."), ==, FZ_DROP_NONE);
  g_assert_cmpint (answer_check (&bed, &check, "password-of-the-other."), ==, FZ_DROP_UNKNOWN_PEER);
}

/* User fragments have 20 bits: two clients of one gateway may well have the same. */
static void
test_same_ufrag (void)
{
  g_auto (Bed) bed;
  uint8_t public_key[FZ_KEY_SIZE] = { 9, 1 };
  FzConnectionRequest request = {
    .id = id_of (1),
    .public_key = public_key,
    .local_ice = { "same", "password-of-the-first." },
    .remote_ice = { "peer", "password-of-the-other." },
  };
  FzTransmit transmit;

  bed_init (&bed);
  update_relays (&bed, NULL, 1);
  answer (&bed, 1);
  g_assert_cmpint (fz_node_upsert (bed.node, &request, bed.now, NULL), ==, FZ_UPSERT_DONE);
  request.id = id_of (2);
  public_key[1] = 2;
  request.local_ice.password = "password-of-the-second";
  g_assert_cmpint (fz_node_upsert (bed.node, &request, bed.now, NULL), ==, FZ_UPSERT_DONE);
  while (fz_node_poll_transmit (bed.node, &transmit))
    ;

  g_assert_cmpint (check_from_peer (&bed, "same", "password-of-the-first."), ==, FZ_DROP_NONE);
  g_assert_true (fz_node_poll_transmit (bed.node, &transmit)); /* answered */
  g_assert_cmpint (check_from_peer (&bed, "same", "password-of-the-second"), ==, FZ_DROP_NONE);
  g_assert_cmpint (check_from_peer (&bed, "same", "password-of-the-third."), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (
      check_from_peer (&bed, "none", "password-of-the-first."), ==, FZ_DROP_UNKNOWN_PEER);

  fz_node_remove (bed.node, &request.id, bed.now);
  g_assert_cmpint (check_from_peer (&bed, "same", "password-of-the-second"), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (check_from_peer (&bed, "same", "password-of-the-first."), ==, FZ_DROP_NONE);
}

static void
test_handshakes_of_strangers (void)
{
  g_auto (Bed) bed;
  FzSocketAddress local = test_address (LOCAL);
  FzSocketAddress from = test_address ("192.0.2.9:9");
  uint8_t bytes[FZ_WIREGUARD_INITIATION_SIZE] = { FZ_WIREGUARD_INITIATION };
  FzEngineCounters counters = { 0 };
  FzTransmit transmit;

  bed_init (&bed);
  g_assert_cmpint (fz_node_handle_datagram (bed.node, &local, &from, fz_span (bytes, 148), bed.now),
                   ==,
                   FZ_DROP_BAD_MAC); /* no curve is computed for it */
  fz_node_add_counters (bed.node, &counters);
  g_assert_cmpuint (counters.handshakes_bad_mac1, ==, 1);
  bytes[0] = FZ_WIREGUARD_COOKIE_REPLY;
  g_assert_cmpint (fz_node_handle_datagram (bed.node, &local, &from, fz_span (bytes, 64), bed.now),
                   ==,
                   FZ_DROP_UNKNOWN_INDEX);
  bytes[0] = FZ_WIREGUARD_DATA;
  g_assert_cmpint (fz_node_handle_datagram (bed.node, &local, &from, fz_span (bytes, 64), bed.now),
                   ==,
                   FZ_DROP_UNKNOWN_INDEX);
  g_assert_cmpint (fz_node_handle_datagram (bed.node, &local, &from, fz_span (bytes, 0), bed.now),
                   ==,
                   FZ_DROP_NOT_WIREGUARD);
  g_assert_false (fz_node_poll_transmit (bed.node, &transmit));
}

/* -- reuse and replacement, §1.5 -- */

static void
test_upsert (void)
{
  g_auto (Bed) bed;
  FzUuid id = id_of (1);
  FzNodeEvent event;
  uint32_t number;

  bed_init (&bed);
  update_relays (&bed, NULL, 1);
  answer (&bed, 1);
  upsert (&bed, 1, "abcd");
  number = fz_connection_get_connection_id (fz_node_find (bed.node, &id));
  g_assert_cmpuint (number, <, 1u << 24);
  g_assert_true (fz_node_find_by_number (bed.node, number) == fz_node_find (bed.node, &id));
  upsert (&bed, 1, "abcd");
  g_assert_cmpuint (fz_connection_get_connection_id (fz_node_find (bed.node, &id)), ==, number);
  upsert (&bed, 1, "efgh"); /* other credentials: another connection, silently */
  g_assert_cmpuint (fz_connection_get_connection_id (fz_node_find (bed.node, &id)), !=, number);
  g_assert_null (fz_node_find_by_number (bed.node, number));
  g_assert_cmpuint (fz_node_get_n_connections (bed.node), ==, 1);
  fz_node_close (bed.node, &id, bed.now); /* still connecting: nothing said */
  g_assert_false (fz_node_poll_event (bed.node, &event));
  fz_node_close (bed.node, &id, bed.now);
}

/* -- handshakes as jobs -- */

typedef struct {
  Bed bed;
  FzUuid id;
  FzIdentity *identity;
  FzNoisePeer noise;
  FzCookieJar jar;
  uint32_t n_made;
} JobBed;

static void
job_bed_add_peer (JobBed *self)
{
  FzBareRequest request = { .id = self->id,
                            .public_key = fz_identity_get_public_key (self->identity) };

  g_assert_cmpint (
      fz_node_add_bare (self->bed.node, &request, self->bed.now, NULL), ==, FZ_UPSERT_DONE);
}

static void
job_bed_init (JobBed *self)
{
  static const uint8_t no_psk[FZ_KEY_SIZE] = { 0 };
  FzRng rng;

  *self = (JobBed){ .id = { { 9 } } };
  bed_init_workers (&self->bed);
  rng = fz_seeded_rng (&self->bed.rng);
  self->identity = fz_identity_new (NULL, &rng);
  g_assert_true (fz_noise_peer_init (
      &self->noise, self->identity, fz_node_get_public_key (self->bed.node), no_psk));
  fz_cookie_jar_init (&self->jar, fz_node_get_public_key (self->bed.node));
  job_bed_add_peer (self);
}

static void
job_bed_clear (JobBed *self)
{
  fz_identity_free (self->identity);
  bed_clear (&self->bed);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (JobBed, job_bed_clear)

static FzDrop
deliver_initiation (Bed *self,
                    const FzIdentity *identity,
                    const FzNoisePeer *noise,
                    FzCookieJar *jar,
                    uint32_t number)
{
  uint8_t timestamp[FZ_TAI64N_SIZE], datagram[FZ_WIREGUARD_INITIATION_SIZE] = { 0 };
  FzRng rng = fz_seeded_rng (&self->rng);
  FzSocketAddress local = test_address (LOCAL), from = test_address ("192.0.2.1:1000");
  FzNoiseHandshake handshake;

  fz_tai64n_write (number, timestamp);
  fz_noise_write_initiation (identity, noise, &rng, number, timestamp, &handshake, datagram);
  fz_cookie_jar_seal (jar, datagram, sizeof datagram, number, self->now);
  return fz_node_handle_datagram (
      self->node, &local, &from, fz_span (datagram, sizeof datagram), self->now);
}

/* Each is a little newer than the one before. */
static FzDrop
initiate (JobBed *self)
{
  self->n_made++;
  return deliver_initiation (&self->bed, self->identity, &self->noise, &self->jar, self->n_made);
}

/* Of a peer that the node has: a session, and it is confirmed. */
static void
shake_hands (Bed *self, const FzIdentity *identity, uint32_t number)
{
  static const uint8_t no_psk[FZ_KEY_SIZE] = { 0 };
  FzLaneMessage confirmed = { .kind = FZ_LANE_MESSAGE_CONFIRMED };
  FzUuid id = id_of (number);
  FzTransmit transmit;
  FzNoisePeer noise;
  FzCookieJar jar;

  g_assert_true (
      fz_noise_peer_init (&noise, identity, fz_node_get_public_key (self->node), no_psk));
  fz_cookie_jar_init (&jar, fz_node_get_public_key (self->node));
  g_assert_cmpint (deliver_initiation (self, identity, &noise, &jar, number), ==, FZ_DROP_NONE);
  while (fz_node_poll_transmit (self->node, &transmit))
    if (transmit.data.length == FZ_WIREGUARD_RESPONSE_SIZE)
      confirmed.local_index = fz_get_u32le (transmit.data.data + 4);
  confirmed.connection_id = fz_connection_get_connection_id (fz_node_find (self->node, &id));
  g_assert_cmpuint (confirmed.local_index >> 8, ==, confirmed.connection_id);
  fz_node_handle_lane_message (self->node, &confirmed, self->now);
}

static unsigned
count_transmits (JobBed *self, size_t length)
{
  FzTransmit transmit;
  unsigned n = 0;

  while (fz_node_poll_transmit (self->bed.node, &transmit))
    n += transmit.data.length == length;
  return n;
}

/* Takes the next job, which must be of @kind, and runs it. */
static FzHandshakeJob *
run_job (JobBed *self, FzHandshakeJobKind kind)
{
  FzHandshakeJob *job = fz_node_poll_job (self->bed.node);

  g_assert_nonnull (job);
  g_assert_cmpint (job->kind, ==, kind);
  fz_handshake_job_run (job);
  return job;
}

static uint64_t
count_drops (JobBed *self, FzDrop reason)
{
  FzEngineCounters counters = { 0 };

  fz_node_add_counters (self->bed.node, &counters);
  return counters.drops[reason];
}

static void
test_jobs (void)
{
  g_auto (JobBed) self;
  FzHandshakeJob *job;

  job_bed_init (&self);
  g_assert_cmpint (initiate (&self), ==, FZ_DROP_NONE);
  g_assert_cmpuint (count_transmits (&self, FZ_WIREGUARD_RESPONSE_SIZE), ==, 0);
  fz_node_finish_job (self.bed.node, run_job (&self, FZ_HANDSHAKE_JOB_OPEN), self.bed.now);
  job = run_job (&self, FZ_HANDSHAKE_JOB_RESPOND);
  g_assert_null (fz_node_poll_job (self.bed.node));
  g_assert_cmpuint (count_transmits (&self, FZ_WIREGUARD_RESPONSE_SIZE), ==, 0);
  fz_node_finish_job (self.bed.node, job, self.bed.now);
  g_assert_cmpuint (count_transmits (&self, FZ_WIREGUARD_RESPONSE_SIZE), ==, 1);

  /* what comes too soon after it costs the first step and no more */
  g_assert_cmpint (initiate (&self), ==, FZ_DROP_NONE);
  fz_node_finish_job (self.bed.node, run_job (&self, FZ_HANDSHAKE_JOB_OPEN), self.bed.now);
  g_assert_null (fz_node_poll_job (self.bed.node));
  g_assert_cmpuint (count_drops (&self, FZ_DROP_RATE_LIMITED), ==, 1);
  g_assert_cmpuint (count_transmits (&self, FZ_WIREGUARD_RESPONSE_SIZE), ==, 0);
}

/* The peer goes while its handshake is with a worker, at either step; also if it is made anew. */
static void
test_jobs_of_the_gone (void)
{
  for (unsigned step = 0; step < 2; step++)
    for (unsigned is_renewed = 0; is_renewed < 2; is_renewed++) {
      g_auto (JobBed) self;
      FzHandshakeJob *job;

      job_bed_init (&self);
      initiate (&self);
      job = run_job (&self, FZ_HANDSHAKE_JOB_OPEN);
      if (step == 1) {
        fz_node_finish_job (self.bed.node, job, self.bed.now);
        job = run_job (&self, FZ_HANDSHAKE_JOB_RESPOND);
      }
      fz_node_remove (self.bed.node, &self.id, self.bed.now);
      if (is_renewed)
        job_bed_add_peer (&self);
      fz_node_publish (self.bed.node);
      fz_node_finish_job (self.bed.node, job, self.bed.now);
      if (step == 0 && is_renewed) { /* the same key: it may be answered */
        fz_node_finish_job (self.bed.node, run_job (&self, FZ_HANDSHAKE_JOB_RESPOND), self.bed.now);
        g_assert_cmpuint (count_transmits (&self, FZ_WIREGUARD_RESPONSE_SIZE), ==, 1);
      } else {
        g_assert_cmpuint (count_transmits (&self, FZ_WIREGUARD_RESPONSE_SIZE), ==, 0);
        g_assert_cmpuint (count_drops (&self, FZ_DROP_UNKNOWN_PEER), ==, 1);
      }
      g_assert_null (fz_node_poll_job (self.bed.node));
    }
}

/* We have a new key by the time that the worker is done with the old one. */
static void
test_jobs_over_a_reset (void)
{
  g_auto (JobBed) self;
  FzHandshakeJob *job;

  job_bed_init (&self);
  initiate (&self);
  job = fz_node_poll_job (self.bed.node);
  fz_node_reset (self.bed.node, self.bed.now);
  fz_handshake_job_run (job); /* the old identity is there as long as the job */
  g_assert_cmpint (job->drop, ==, FZ_DROP_NONE);
  fz_node_finish_job (self.bed.node, job, self.bed.now);
  g_assert_cmpuint (count_drops (&self, FZ_DROP_UNKNOWN_PEER), ==, 1);
  initiate (&self); /* nobody's any more */
  g_assert_null (fz_node_poll_job (self.bed.node));
}

/* Up to an eighth everybody is served, then whoever proves the address, and nobody beyond. */
static void
test_jobs_under_load (void)
{
  g_auto (JobBed) self;
  FzHandshakeJob *job;

  job_bed_init (&self);
  for (unsigned i = 0; i <= FZ_HANDSHAKE_JOBS_LOAD; i++)
    g_assert_cmpint (initiate (&self), ==, FZ_DROP_NONE);
  g_assert_cmpint (initiate (&self), ==, FZ_DROP_RATE_LIMITED);
  g_assert_cmpuint (count_transmits (&self, FZ_WIREGUARD_COOKIE_REPLY_SIZE), ==, 1);

  /* when the work is done the load is remembered for a second */
  while ((job = fz_node_poll_job (self.bed.node)) != NULL) {
    fz_handshake_job_run (job);
    fz_node_finish_job (self.bed.node, job, self.bed.now);
  }
  g_assert_cmpint (initiate (&self), ==, FZ_DROP_RATE_LIMITED);
  self.bed.now += FZ_S;
  g_assert_cmpint (initiate (&self), ==, FZ_DROP_NONE);
} /* what is in work is freed with the node */

/* -- many -- */

/* Sessions that nobody uses cost no wake-up but one a second while they expire, for all together;
 * before and after that the node sleeps. */
static void
test_many_idle (void)
{
  enum { N = 500 };
  g_auto (Bed) bed;
  FzRng rng;
  unsigned n_wakeups = 0;

  bed_init_role (&bed, FZ_ROLE_BARE);
  rng = fz_seeded_rng (&bed.rng);
  for (uint32_t i = 0; i < N; i++) {
    g_autoptr (FzIdentity) identity = fz_identity_new (NULL, &rng);
    FzBareRequest request = { .id = id_of (i),
                              .public_key = fz_identity_get_public_key (identity) };

    g_assert_cmpint (fz_node_add_bare (bed.node, &request, bed.now, NULL), ==, FZ_UPSERT_DONE);
    bed.now += 17 * FZ_MS; /* below the limit of handshakes a second */
    shake_hands (&bed, identity, i);
    fz_node_publish (bed.node);
  }
  bed_run_until (&bed, bed.now + 60 * FZ_S); /* nothing is watched any more */

  while (fz_node_next_timeout (bed.node) != FZ_INSTANT_NEVER) {
    FzInstant next = fz_node_next_timeout (bed.node);

    g_assert_cmpuint (next, >, bed.now);
    bed.now = next;
    fz_node_handle_timeout (bed.node, bed.now);
    n_wakeups++;
  }
  g_assert_cmpuint (n_wakeups, >=, 1);
  g_assert_cmpuint (n_wakeups, <=, N * 17 / 1000 + 2); /* their sessions' ages differ by 8.5 s */
  fz_node_publish (bed.node);
}

/* -- lanes -- */

static void
count_lanes (const Bed *self, const FzSteering *steering, unsigned counts[FZ_LANES_MAX])
{
  memset (counts, 0, FZ_LANES_MAX * sizeof *counts);
  for (uint32_t i = 0; i < 1000; i++) {
    FzUuid id = id_of (i);
    FzConnection *connection = fz_node_find (self->node, &id);

    if (connection != NULL)
      counts[fz_steering_get_lane (steering, fz_connection_get_connection_id (connection))]++;
  }
}

/* Connections come, go and come again: no lane ever has two more than another that gains. */
static void
test_lanes (void)
{
  g_auto (Bed) bed;
  FzSteering steering = { 3, 0x9e3779b1 };
  unsigned counts[FZ_LANES_MAX];

  bed_init_with (&bed, FZ_ROLE_GATEWAY, steering);
  update_relays (&bed, NULL, 1);
  answer (&bed, 1);
  for (uint32_t i = 0; i < 60; i++) {
    upsert (&bed, i, "abcd");
    count_lanes (&bed, &steering, counts);
    for (unsigned lane = 0; lane < 3; lane++) {
      g_assert_cmpuint (counts[lane], >=, (i + 1) / 3);
      g_assert_cmpuint (counts[lane], <=, (i + 3) / 3);
    }
  }
  for (uint32_t i = 0; i < 60; i++) {
    FzUuid id = id_of (i);
    uint32_t number = fz_connection_get_connection_id (fz_node_find (bed.node, &id));

    if (fz_steering_get_lane (&steering, number) == 1)
      fz_node_remove (bed.node, &id, bed.now);
  }
  for (uint32_t i = 100; i < 120; i++)
    upsert (&bed, i, "abcd");
  count_lanes (&bed, &steering, counts);
  for (unsigned lane = 0; lane < 3; lane++)
    g_assert_cmpuint (counts[lane], ==, 20);
}

/* -- candidates before, after, malformed -- */

static void
test_candidates (void)
{
  static const char *const good[] = {
    "candidate:1 1 udp 2130706175 192.0.2.9 9 typ host ufrag peer"
  };
  static const char *const bad[] = { "",
                                     "candidate:",
                                     "candidate:1 1 tcp 1 1.1.1.1 1 typ host",
                                     "candidate:1 2 udp 1 1.1.1.1 1 typ host",
                                     "candidate:1 1 udp 1 1.1.1.1 1 typ host ufrag other" };
  g_auto (Bed) bed;
  FzUuid id = id_of (1);

  bed_init (&bed);
  update_relays (&bed, NULL, 1);
  answer (&bed, 1);
  fz_node_add_candidates (bed.node, &id, good, 1, bed.now); /* before: dropped */
  upsert (&bed, 1, "abcd");
  fz_node_add_candidates (bed.node, &id, bad, 3, bed.now);
  bed.now += 9 * FZ_S;
  fz_node_handle_timeout (bed.node, bed.now);
  g_assert_nonnull (fz_node_find (bed.node, &id));
  bed.now += FZ_S;
  fz_node_handle_timeout (bed.node, bed.now);
  g_assert_null (fz_node_find (bed.node, &id)); /* malformed ones do not count */

  upsert (&bed, 1, "abcd");
  fz_node_add_candidates (bed.node, &id, bad, G_N_ELEMENTS (bad), bed.now);
  fz_node_add_candidates (bed.node, &id, good, 1, bed.now);
  fz_node_add_candidates (bed.node, &id, good, 1, bed.now); /* twice */
  bed.now += 12 * FZ_S;
  fz_node_handle_timeout (bed.node, bed.now);
  g_assert_nonnull (fz_node_find (bed.node, &id));
  fz_node_invalidate_candidates (bed.node, &id, good, 1, bed.now);
  fz_node_invalidate_candidates (bed.node, &id, good, 1, bed.now);
}

/* The agent runs out of pairs: two seconds of grace, unless there is hope again (§3.7). */
static void
test_grace (void)
{
  static const char *const first[] = { "candidate:1 1 udp 2130706175 192.0.2.9 9 typ host" };
  static const char *const second[] = { "candidate:2 1 udp 2130706174 192.0.2.9 10 typ host" };
  g_auto (Bed) bed;
  FzUuid id = id_of (1);
  FzNodeEvent event;
  FzInstant start;

  bed_init_role (&bed, FZ_ROLE_CLIENT);
  update_relays (&bed, NULL, 1);
  answer (&bed, 1);
  upsert (&bed, 1, "abcd");
  start = bed.now;
  fz_node_add_candidates (bed.node, &id, first, 1, start);
  bed_run_until (&bed, start + 15500 * FZ_MS); /* given up at 15.25 s */
  fz_node_add_candidates (bed.node, &id, second, 1, bed.now);
  bed_run_until (&bed, start + 30 * FZ_S);
  g_assert_nonnull (fz_node_find (bed.node, &id));
  bed_run_until (&bed, start + (15500 + 15250 + 1900) * FZ_MS);
  g_assert_nonnull (fz_node_find (bed.node, &id));
  bed_run_until (&bed, start + (15500 + 15250 + 2100) * FZ_MS);
  g_assert_null (fz_node_find (bed.node, &id));
  while (fz_node_poll_event (bed.node, &event) && event.kind != FZ_NODE_EVENT_FAILED)
    ;
  g_assert_cmpint (event.kind, ==, FZ_NODE_EVENT_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/peer-limit", test_peer_limit);
  g_test_add_func ("/node/relay-migration", test_relay_migration);
  g_test_add_func ("/node/same-ufrag", test_same_ufrag);
  g_test_add_func ("/node/forged-answer", test_forged_answer);
  g_test_add_func ("/node/strangers", test_handshakes_of_strangers);
  g_test_add_func ("/node/upsert", test_upsert);
  g_test_add_func ("/node/lanes", test_lanes);
  g_test_add_func ("/node/candidates", test_candidates);
  g_test_add_func ("/node/grace", test_grace);
  g_test_add_func ("/node/jobs", test_jobs);
  g_test_add_func ("/node/jobs/of-the-gone", test_jobs_of_the_gone);
  g_test_add_func ("/node/jobs/over-a-reset", test_jobs_over_a_reset);
  g_test_add_func ("/node/jobs/under-load", test_jobs_under_load);
  g_test_add_func ("/node/many-idle", test_many_idle);
  return g_test_run ();
}

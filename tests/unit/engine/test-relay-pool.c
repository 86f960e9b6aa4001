/* test-relay-pool.c: the list of relays (connectivity.md §5.9, §5.10, §12.2) */

#include "src/crypto/fz-crypto.h"
#include "src/engine/fz-relay-choice.h"
#include "src/engine/fz-relay-pool.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>
#include <string.h>

#define START (100 * FZ_S)
#define LOCAL "192.168.1.5:52625"

typedef struct {
  FzSeededRng seeded;
  FzRelayPool *pool;
  FzInstant now;
} Bed;

static FzRelay
relay (uint8_t id, const char *v4)
{
  return (FzRelay){
    .id = { { id } }, .ipv4 = test_address (v4), .username = "user", .password = "password"
  };
}

static FzRelay
numbered (uint8_t id)
{
  g_autofree char *at = g_strdup_printf ("198.51.100.%u:3478", id);

  return relay (id, at);
}

static void
bed_init (Bed *bed)
{
  FzRng rng = fz_seeded_rng (&bed->seeded);

  fz_seeded_rng_init (&bed->seeded, 11);
  bed->pool = fz_relay_pool_new (&rng, &(FzLog){ 0 });
  bed->now = START;
}

static void
bed_clear (Bed *bed)
{
  g_clear_pointer (&bed->pool, fz_relay_pool_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bed, bed_clear)

static void
offer (Bed *bed, const FzRelay *relays, size_t n)
{
  fz_relay_pool_update (bed->pool, NULL, 0, relays, n, bed->now);
}

static void
run_for (Bed *bed, uint64_t duration_ns)
{
  FzInstant end = bed->now + duration_ns;
  FzRelayTransmit transmit;

  do {
    bed->now = MAX (bed->now, MIN (end, fz_relay_pool_next_timeout (bed->pool)));
    fz_relay_pool_handle_timeout (bed->pool, bed->now);
    while (fz_relay_pool_poll_transmit (bed->pool, &transmit))
      ;
  } while (bed->now < end);
}

/* Answers the next datagram to a relay, a Binding request, after @rtt_ns. */
static void
answer_binding (Bed *bed, uint64_t rtt_ns, const char *mapped)
{
  FzSocketAddress local = test_address (LOCAL);
  FzSocketAddress at = test_address (mapped);
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzRelayTransmit transmit;
  FzSocketAddress to;
  FzStunMessage m;
  FzWriter w;

  g_assert_true (fz_relay_pool_poll_transmit (bed->pool, &transmit));
  to = transmit.to;
  g_assert_cmpint (fz_stun_parse (transmit.data, &m), ==, FZ_DROP_NONE);
  g_assert_cmphex (m.type, ==, FZ_STUN_BINDING_REQUEST);
  fz_stun_begin (&w, buffer, sizeof buffer, FZ_STUN_BINDING_SUCCESS, &m.transaction_id);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &at);
  g_assert_cmpint (fz_stun_parse (fz_span (buffer, w.length), &m), ==, FZ_DROP_NONE);
  g_assert_cmpint (
      fz_relay_pool_handle_stun (bed->pool, &m, &local, &to, bed->now + rtt_ns), ==, FZ_DROP_NONE);
}

/* Adds a relay that answers after @rtt_ms. */
static void
add_answering (Bed *bed, uint8_t id, uint64_t rtt_ms)
{
  FzRelay entry = numbered (id);
  FzRelayTransmit transmit;

  while (fz_relay_pool_poll_transmit (bed->pool, &transmit))
    ;
  offer (bed, &entry, 1);
  answer_binding (bed, rtt_ms * FZ_MS, "203.0.113.7:40000");
}

static FzRelaySource
classify (Bed *bed, const char *from)
{
  FzSocketAddress source = test_address (from);

  return fz_relay_pool_classify (bed->pool, &source);
}

/* -- choice -- */

/* R5 */
static const struct {
  uint64_t rtts[5];
  size_t n;
  uint64_t threshold;
} thresholds[] = {
  { { 40 }, 1, 60 },
  { { 40, 60 }, 2, 60 },
  { { 60, 40 }, 2, 60 },
  { { 30, 35, 40 }, 3, 50 },
  { { 30, 35, 200 }, 3, 50 },
  { { 200, 30, 35 }, 3, 50 },
  { { 30, 32, 35, 40, 200 }, 5, 50 },
  { { 30, 30, 30, 31 }, 4, 36 },
  { { 30, 40, 50, 60 }, 4, 75 },
};

static void
test_threshold (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (thresholds); i++) {
    uint64_t rtts[5];

    for (size_t k = 0; k < thresholds[i].n; k++)
      rtts[k] = thresholds[i].rtts[k] * FZ_MS;
    g_assert_cmpuint (
        fz_relay_choice_threshold (rtts, thresholds[i].n), ==, thresholds[i].threshold * FZ_MS);
  }
}

/* R6 … R10 */
static void
test_draw (void)
{
  static const struct {
    uint64_t rtts_ms[5];
    unsigned never; /* bits */
    const char *why;
  } rows[] = {
    { { 30, 32, 35, 40, 200 }, 1 << 4, "an outlier is never drawn" },
    { { 30, 200 }, 1 << 1, "one of two is far" },
    { { 30, 31 }, 0, "two near ones alike" },
    { { 500 }, 0, "the only one" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Bed) bed = { 0 };
    unsigned counts[5] = { 0 };
    unsigned n = 0;

    g_test_message ("%s", rows[i].why);
    bed_init (&bed);
    while (n < 5 && rows[i].rtts_ms[n] != 0) {
      add_answering (&bed, (uint8_t) (n + 1), rows[i].rtts_ms[n]);
      n++;
    }
    for (unsigned k = 0; k < 10000; k++) {
      FzUuid id;

      g_assert_true (fz_relay_pool_select (bed.pool, &id));
      counts[id.bytes[0] - 1]++;
    }
    for (unsigned k = 0; k < n; k++) {
      unsigned n_near = n - (rows[i].never != 0);

      g_assert_true ((counts[k] == 0) == ((rows[i].never >> k & 1) == 1));
      if (counts[k] != 0) {
        g_assert_cmpuint (counts[k], >=, 10000 / n_near * 95 / 100 - 50);
        g_assert_cmpuint (counts[k], <=, 10000 / n_near * 105 / 100 + 50);
      }
    }
  }
}

static void
test_draw_without_answer (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelay entry = numbered (1);
  FzUuid id;

  bed_init (&bed);
  g_assert_false (fz_relay_pool_select (bed.pool, &id));
  offer (&bed, &entry, 1);
  g_assert_false (fz_relay_pool_select (bed.pool, &id));
  add_answering (&bed, 2, 900);
  g_assert_true (fz_relay_pool_select (bed.pool, &id));
  g_assert_cmpuint (id.bytes[0], ==, 2);
}

/* -- list -- */

/* R1 */
static void
test_former (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelay entries[] = { relay (1, "198.51.100.1:3478"), relay (2, "198.51.100.2:3479") };
  FzRelay moved = relay (2, "198.51.100.3:3478");

  bed_init (&bed);
  g_assert_cmpint (classify (&bed, "198.51.100.1:3478"), ==, FZ_RELAY_SOURCE_UNKNOWN);
  offer (&bed, entries, 2);
  g_assert_cmpint (classify (&bed, "198.51.100.1:3478"), ==, FZ_RELAY_SOURCE_CURRENT);
  g_assert_cmpint (classify (&bed, "198.51.100.2:3479"), ==, FZ_RELAY_SOURCE_CURRENT);
  g_assert_cmpint (classify (&bed, "198.51.100.2:3478"), ==, FZ_RELAY_SOURCE_UNKNOWN);
  fz_relay_pool_update (bed.pool, &entries[0].id, 1, &moved, 1, bed.now);
  g_assert_cmpint (classify (&bed, "198.51.100.1:3478"), ==, FZ_RELAY_SOURCE_FORMER);
  g_assert_cmpint (classify (&bed, "198.51.100.1:9"), ==, FZ_RELAY_SOURCE_FORMER); /* the IP */
  g_assert_cmpint (classify (&bed, "198.51.100.2:3479"), ==, FZ_RELAY_SOURCE_FORMER);
  g_assert_cmpint (classify (&bed, "198.51.100.3:3478"), ==, FZ_RELAY_SOURCE_CURRENT);
  g_assert_cmpuint (fz_relay_pool_get_n_relays (bed.pool), ==, 1);
}

static void
test_many_former (void)
{
  g_auto (Bed) bed = { 0 };

  bed_init (&bed);
  for (unsigned i = 1; i <= FZ_FORMER_RELAYS_MAX + 2; i++) {
    FzRelay entry = numbered ((uint8_t) i);

    offer (&bed, &entry, 1);
    fz_relay_pool_update (bed.pool, &entry.id, 1, NULL, 0, bed.now);
  }
  g_assert_cmpint (classify (&bed, "198.51.100.2:3478"), ==, FZ_RELAY_SOURCE_UNKNOWN);
  g_assert_cmpint (classify (&bed, "198.51.100.3:3478"), ==, FZ_RELAY_SOURCE_FORMER);
  g_assert_cmpint (classify (&bed, "198.51.100.66:3478"), ==, FZ_RELAY_SOURCE_FORMER);
}

/* R2 */
static void
test_reset (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelayEvent event;
  FzUuid id;

  bed_init (&bed);
  add_answering (&bed, 1, 10);
  fz_relay_pool_reset (bed.pool, bed.now);
  g_assert_cmpint (classify (&bed, "198.51.100.1:3478"), ==, FZ_RELAY_SOURCE_CURRENT);
  g_assert_false (fz_relay_pool_poll_event (bed.pool, &event));
  g_assert_false (fz_relay_pool_select (bed.pool, &id));
  answer_binding (&bed, 0, "203.0.113.7:40000");
  g_assert_true (fz_relay_pool_select (bed.pool, &id));
}

/* R3, R4 */
static void
test_garbage_collection (void)
{
  for (int with_other = 0; with_other < 2; with_other++) {
    g_auto (Bed) bed = { 0 };
    FzRelay entries[] = { numbered (1), numbered (2) };
    FzRelayEvent event;

    bed_init (&bed);
    offer (&bed, &entries[0], 1);
    run_for (&bed, 8 * FZ_S);
    g_assert_cmpuint (fz_relay_pool_get_n_relays (bed.pool), ==, 1);
    if (with_other)
      offer (&bed, &entries[1], 1);
    run_for (&bed, FZ_S);
    g_assert_true (fz_relay_pool_poll_event (bed.pool, &event));
    g_assert_cmpint (event.kind, ==, FZ_RELAY_EVENT_GONE);
    g_assert_true (fz_uuid_equal (&event.relay_id, &entries[0].id));
    g_assert_true (fz_relay_pool_poll_event (bed.pool, &event) == !with_other);
    if (!with_other)
      g_assert_cmpint (event.kind, ==, FZ_RELAY_EVENT_NONE_LEFT);
    g_assert_false (fz_relay_pool_poll_event (bed.pool, &event));
    g_assert_false (fz_relay_pool_has_relay (bed.pool, &entries[0].id));
  }
}

static void
test_unchanged_is_kept (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelay entry = numbered (1);
  FzRelayTransmit transmit;
  FzUuid id;

  bed_init (&bed);
  add_answering (&bed, 1, 10);
  while (fz_relay_pool_poll_transmit (bed.pool, &transmit))
    ;
  offer (&bed, &entry, 1);
  g_assert_false (fz_relay_pool_poll_transmit (bed.pool, &transmit));
  g_assert_true (fz_relay_pool_select (bed.pool, &id));
  entry.password = "another";
  offer (&bed, &entry, 1);
  g_assert_true (fz_relay_pool_poll_transmit (bed.pool, &transmit));
  g_assert_false (fz_relay_pool_select (bed.pool, &id)); /* a fresh object */
}

/* Two relays behind one address: each hears its own answers. */
static void
test_shared_address (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelay entries[] = { relay (1, "198.51.100.1:3478"), relay (2, "198.51.100.1:3478") };
  FzRelayEvent event;
  unsigned n = 0;

  bed_init (&bed);
  offer (&bed, &entries[1], 1);
  answer_binding (&bed, 0, "203.0.113.7:40000");
  offer (&bed, &entries[0], 1);
  offer (&bed, entries, 2);
  for (FzRelayTransmit transmit; fz_relay_pool_poll_transmit (bed.pool, &transmit);) {
    FzSocketAddress local = test_address (LOCAL);
    uint8_t buffer[FZ_STUN_WRITE_MAX];
    FzStunMessage m;
    FzWriter w;

    g_assert_cmpint (fz_stun_parse (transmit.data, &m), ==, FZ_DROP_NONE);
    if (m.type != FZ_STUN_BINDING_REQUEST)
      continue;
    fz_stun_begin (&w, buffer, sizeof buffer, FZ_STUN_BINDING_SUCCESS, &m.transaction_id);
    fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &local);
    g_assert_cmpint (fz_stun_parse (fz_span (buffer, w.length), &m), ==, FZ_DROP_NONE);
    g_assert_cmpint (
        fz_relay_pool_handle_stun (bed.pool, &m, &local, &transmit.to, bed.now), ==, FZ_DROP_NONE);
  }
  while (fz_relay_pool_poll_event (bed.pool, &event))
    n++;
  g_assert_cmpuint (n, ==, 4); /* host and reflexive of each */
}

/* §5.9, 3: only relays that the list does not mention are asked whether they are still there. */
static void
test_refreshed (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelay entry = numbered (1);
  FzRelay other = numbered (2);
  FzRelayTransmit transmit;
  FzStunMessage m;

  bed_init (&bed);
  add_answering (&bed, 1, 0);
  run_for (&bed, 10 * FZ_S); /* Allocate is given up: the relay is good for STUN */
  offer (&bed, &entry, 1);
  g_assert_false (fz_relay_pool_poll_transmit (bed.pool, &transmit));
  offer (&bed, &other, 1);
  g_assert_true (fz_relay_pool_poll_transmit (bed.pool, &transmit));
  g_assert_cmpuint (transmit.to.ip.bytes[3], ==, 1);
  g_assert_cmpint (fz_stun_parse (transmit.data, &m), ==, FZ_DROP_NONE);
  g_assert_cmphex (m.type, ==, FZ_STUN_BINDING_REQUEST);
}

static void
test_removed (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelay entry = numbered (1);
  FzUuid unknown = { { 99 } };
  FzRelayEvent event;

  bed_init (&bed);
  add_answering (&bed, 1, 10);
  while (fz_relay_pool_poll_event (bed.pool, &event))
    ;
  fz_relay_pool_update (bed.pool, &unknown, 1, NULL, 0, bed.now);
  g_assert_false (fz_relay_pool_poll_event (bed.pool, &event));
  fz_relay_pool_update (bed.pool, &entry.id, 1, NULL, 0, bed.now);
  g_assert_true (fz_relay_pool_poll_event (bed.pool, &event));
  g_assert_cmpint (event.kind, ==, FZ_RELAY_EVENT_GONE);
  g_assert_false (fz_relay_pool_poll_event (bed.pool, &event)); /* the portal knows: no NONE_LEFT */
  g_assert_cmpuint (fz_relay_pool_next_timeout (bed.pool), ==, FZ_INSTANT_NEVER);
}

static void
test_refused_entries (void)
{
  g_autofree char *longest = g_strnfill (512, 'u');
  g_autofree char *too_long = g_strnfill (513, 'u');
  g_auto (Bed) bed = { 0 };
  FzRelay entry = numbered (1);

  bed_init (&bed);
  entry.username = too_long;
  offer (&bed, &entry, 1);
  entry.username = "user";
  entry.password = NULL;
  offer (&bed, &entry, 1);
  entry = relay (1, NULL);
  offer (&bed, &entry, 1);
  g_assert_cmpuint (fz_relay_pool_get_n_relays (bed.pool), ==, 0);
  entry = numbered (1);
  entry.username = longest;
  offer (&bed, &entry, 1);
  g_assert_cmpuint (fz_relay_pool_get_n_relays (bed.pool), ==, 1);
  for (unsigned i = 0; i < 2 * FZ_RELAYS_MAX; i++) {
    entry = numbered ((uint8_t) (i + 2));
    offer (&bed, &entry, 1);
  }
  g_assert_cmpuint (fz_relay_pool_get_n_relays (bed.pool), ==, FZ_RELAYS_MAX);
}

/* -- candidates -- */

static void
test_candidates (void)
{
  g_auto (Bed) bed = { 0 };
  FzCandidate candidates[8];
  FzRelayEvent event;
  FzUuid id = { { 1 } };
  size_t n;

  bed_init (&bed);
  add_answering (&bed, 1, 10);
  add_answering (&bed, 2, 10); /* teaches the same */
  n = fz_relay_pool_get_candidates (bed.pool, &id, candidates, G_N_ELEMENTS (candidates));
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpint (candidates[0].kind, ==, FZ_CANDIDATE_HOST);
  g_assert_cmpint (candidates[1].kind, ==, FZ_CANDIDATE_SERVER_REFLEXIVE);
  g_assert_cmpuint (fz_relay_pool_get_candidates (bed.pool, &id, candidates, 1), ==, 1);
  for (int i = 0; i < 4; i++) { /* each relay says what it knows */
    g_assert_true (fz_relay_pool_poll_event (bed.pool, &event));
    g_assert_cmpint (event.kind, ==, FZ_RELAY_EVENT_CANDIDATE);
  }
  g_assert_false (fz_relay_pool_poll_event (bed.pool, &event));
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay-pool/choice/threshold", test_threshold);
  g_test_add_func ("/relay-pool/choice/draw", test_draw);
  g_test_add_func ("/relay-pool/choice/without-answer", test_draw_without_answer);
  g_test_add_func ("/relay-pool/list/former", test_former);
  g_test_add_func ("/relay-pool/list/many-former", test_many_former);
  g_test_add_func ("/relay-pool/list/reset", test_reset);
  g_test_add_func ("/relay-pool/list/garbage-collection", test_garbage_collection);
  g_test_add_func ("/relay-pool/list/unchanged-is-kept", test_unchanged_is_kept);
  g_test_add_func ("/relay-pool/list/shared-address", test_shared_address);
  g_test_add_func ("/relay-pool/list/refreshed", test_refreshed);
  g_test_add_func ("/relay-pool/list/removed", test_removed);
  g_test_add_func ("/relay-pool/list/refused", test_refused_entries);
  g_test_add_func ("/relay-pool/candidates", test_candidates);
  return g_test_run ();
}

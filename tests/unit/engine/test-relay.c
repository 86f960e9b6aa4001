/* test-relay.c: the conversation with one relay, played by the test (connectivity.md §5, §12.3,
 * A.2, A.6) */

#include "src/engine/fz-relay.h"
#include "src/engine/fz-stun-auth.h"
#include "src/engine/fz-turn-message.h"

#include <glib.h>
#include <string.h>

#define START    (100 * FZ_S)
#define USER     "1767225600:c2FsdA"
#define PASSWORD "c2VjcmV0"
#define REALM    "firezone"
#define NONCE    "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
#define V4       "198.51.100.9:3478"
#define V6       "[2001:db8::9]:3478"
#define LOCAL4   "192.168.1.5:52625"
#define LOCAL6   "[2001:db8:1::5]:52625"
#define MAPPED4  "203.0.113.7:40000"
#define PEER_A   "203.0.113.20:1"
#define PEER_B   "203.0.113.21:2"
#define PEER_6   "[2001:db8:5::1]:3"

static const FzStunTransactionId vector_id = { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 } };

typedef struct {
  FzSeededRng seeded;
  FzRelayLink *link;
  FzInstant now;
  char realm[64];
  char nonce[64];
  const char *password; /* what the relay expects */
  bool is_unsigned;     /* its answers */
} Bed;

static FzSocketAddress
address (const char *text)
{
  FzSocketAddress out = { 0 };

  g_assert_true (text == NULL || fz_socket_address_parse (text, &out));
  return out;
}

static void
bed_init (Bed *bed, const char *v4, const char *v6)
{
  FzRelay relay = {
    .id = { { 1 } },
    .ipv4 = address (v4),
    .ipv6 = address (v6),
    .username = USER,
    .password = PASSWORD,
  };
  FzRng rng = fz_seeded_rng (&bed->seeded);

  fz_seeded_rng_init (&bed->seeded, 1);
  bed->now = START;
  bed->password = PASSWORD;
  bed->is_unsigned = false;
  g_strlcpy (bed->realm, REALM, sizeof bed->realm);
  g_strlcpy (bed->nonce, NONCE, sizeof bed->nonce);
  bed->link = fz_relay_link_new (&relay, &rng, &(FzLog){ 0 }, START);
}

static void
bed_clear (Bed *bed)
{
  g_clear_pointer (&bed->link, fz_relay_link_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bed, bed_clear)

/* -- what the relay sees -- */

typedef struct {
  FzSocketAddress to;
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzStunMessage m;
} Seen;

static bool
see (Bed *bed, Seen *out)
{
  FzRelayTransmit transmit;

  if (!fz_relay_link_poll_transmit (bed->link, &transmit))
    return false;
  out->to = transmit.to;
  memcpy (out->bytes, transmit.data.data, transmit.data.length);
  g_assert_cmpint (
      fz_stun_parse (fz_span (out->bytes, transmit.data.length), &out->m), ==, FZ_DROP_NONE);
  return true;
}

static void
expect (Bed *bed, uint16_t type, Seen *out)
{
  g_assert_true (see (bed, out));
  g_assert_cmphex (out->m.type, ==, type);
}

static void
expect_silence (Bed *bed)
{
  Seen seen;

  g_assert_false (see (bed, &seen));
}

static void
expect_event (Bed *bed, FzRelayEventKind kind, FzCandidateKind candidate, const char *at)
{
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];
  FzRelayEvent event;

  g_assert_true (fz_relay_link_poll_event (bed->link, &event));
  g_assert_cmpint (event.kind, ==, kind);
  g_assert_cmpint (event.candidate.kind, ==, candidate);
  g_assert_cmpstr (fz_socket_address_format (&event.candidate.address, text), ==, at);
}

static void
expect_no_event (Bed *bed)
{
  FzRelayEvent event;

  g_assert_false (fz_relay_link_poll_event (bed->link, &event));
}

static void
skip_events (Bed *bed)
{
  FzRelayEvent event;

  while (fz_relay_link_poll_event (bed->link, &event))
    ;
}

/* Runs to @at; the ticks come when they are asked for. */
static void
run_to (Bed *bed, FzInstant at)
{
  while (fz_relay_link_next_timeout (bed->link) <= at) {
    bed->now = MAX (bed->now, fz_relay_link_next_timeout (bed->link));
    fz_relay_link_handle_timeout (bed->link, bed->now);
  }
  bed->now = MAX (bed->now, at);
}

static void
run_for (Bed *bed, uint64_t duration_ns)
{
  run_to (bed, bed->now + duration_ns);
}

/* -- what the relay says -- */

static void
begin (const Seen *seen, FzWriter *w, uint8_t *buffer, uint16_t class)
{
  fz_stun_begin (w, buffer, FZ_STUN_WRITE_MAX, seen->m.type | class, &seen->m.transaction_id);
}

static FzDrop
say (Bed *bed, const Seen *seen, FzWriter *w, bool is_signed)
{
  uint8_t key[FZ_STUN_LONG_TERM_KEY_SIZE];
  FzSocketAddress local = address (seen->to.ip.family == FZ_IP_V4 ? LOCAL4 : LOCAL6);
  FzStunMessage message;

  fz_stun_long_term_key (fz_span (USER, strlen (USER)),
                         fz_span (bed->realm, strlen (bed->realm)),
                         fz_span (bed->password, strlen (bed->password)),
                         key);
  if (is_signed)
    fz_stun_sign (w, fz_span (key, sizeof key));
  g_assert_cmpint (fz_stun_parse (fz_span (w->start, w->length), &message), ==, FZ_DROP_NONE);
  return fz_relay_link_handle_stun (bed->link, &message, &local, &seen->to, bed->now);
}

static FzDrop
say_mapped (Bed *bed, const Seen *seen, const char *mapped)
{
  FzSocketAddress at = address (mapped);
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &at);
  return say (bed, seen, &w, false);
}

static FzDrop
say_error (Bed *bed, const Seen *seen, uint16_t code)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  begin (seen, &w, buffer, FZ_STUN_CLASS_ERROR);
  fz_stun_write_error (&w, code, "no");
  if (code == 401 || code == 438) {
    fz_stun_write_text (&w, FZ_STUN_REALM, bed->realm);
    fz_stun_write_text (&w, FZ_STUN_NONCE, bed->nonce);
  }
  return say (bed, seen, &w, !bed->is_unsigned && fz_stun_has (&seen->m, FZ_STUN_HAS_USERNAME));
}

static FzDrop
say_allocated (Bed *bed, const Seen *seen, const char *v4, const char *v6)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  if (v4 != NULL)
    fz_stun_write_xor_address (
        &w, FZ_STUN_XOR_RELAYED_ADDRESS, &(FzSocketAddress){ address (v4).ip, address (v4).port });
  if (v6 != NULL)
    fz_stun_write_xor_address (
        &w, FZ_STUN_XOR_RELAYED_ADDRESS, &(FzSocketAddress){ address (v6).ip, address (v6).port });
  fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, 600);
  return say (bed, seen, &w, true);
}

static FzDrop
say_refreshed (Bed *bed, const Seen *seen, uint32_t lifetime_s)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, lifetime_s);
  return say (bed, seen, &w, true);
}

static FzDrop
say_yes (Bed *bed, const Seen *seen)
{
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;

  begin (seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  return say (bed, seen, &w, true);
}

/* Binding and challenge are behind us; the Allocate with nonce is in @out. */
static void
go_to_allocate (Bed *bed, Seen *out)
{
  expect (bed, FZ_STUN_BINDING_REQUEST, out);
  g_assert_cmpint (say_mapped (bed, out, MAPPED4), ==, FZ_DROP_NONE);
  expect (bed, FZ_STUN_ALLOCATE_REQUEST, out);
  g_assert_cmpint (say_error (bed, out, 401), ==, FZ_DROP_NONE);
  expect (bed, FZ_STUN_ALLOCATE_REQUEST, out);
}

static void
go_to_active (Bed *bed)
{
  Seen seen;

  go_to_allocate (bed, &seen);
  g_assert_cmpint (say_allocated (bed, &seen, "198.51.100.9:50000", NULL), ==, FZ_DROP_NONE);
  skip_events (bed);
}

static bool
route (Bed *bed, const char *peer, FzRelayRoute *out)
{
  FzSocketAddress to = address (peer);

  return fz_relay_link_route (bed->link, &to, bed->now, out);
}

static void
bind_channel (Bed *bed, const char *peer)
{
  FzSocketAddress to = address (peer);

  fz_relay_link_bind_channel (bed->link, &to, bed->now);
}

/* -- bindings -- */

/* A1, A5, A6 of the appendix, A4 */
static void
test_nobody_answers (void)
{
  static const unsigned at_ms[] = { 0, 1000, 2500, 4750 };
  g_auto (Bed) bed = { 0 };
  Seen first;
  Seen seen;

  bed_init (&bed, V4, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (at_ms); i++) {
    run_to (&bed, START + at_ms[i] * FZ_MS - (i > 0));
    if (i > 0)
      expect_silence (&bed);
    run_to (&bed, START + at_ms[i] * FZ_MS);
    expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
    if (i == 0)
      first = seen;
    g_assert_cmpmem (seen.bytes, 32, first.bytes, 32); /* byte for byte the same */
    g_assert_false (fz_relay_link_is_finished (bed.link));
  }
  run_to (&bed, START + 8125 * FZ_MS - 1);
  g_assert_false (fz_relay_link_is_finished (bed.link));
  run_to (&bed, START + 8125 * FZ_MS);
  g_assert_true (fz_relay_link_is_finished (bed.link));
  run_for (&bed, 600 * FZ_S);
  expect_silence (&bed);
  g_assert_cmpuint (fz_relay_link_next_timeout (bed.link), ==, FZ_INSTANT_NEVER);
}

/* A3, A22 */
static void
test_two_families (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress v4 = address (V4);
  FzSocketAddress v6 = address (V6);
  Seen first;
  Seen second;
  Seen allocate;

  bed_init (&bed, V4, V6);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &first);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &second);
  g_assert_true (fz_socket_address_equal (&first.to, &v4));
  g_assert_true (fz_socket_address_equal (&second.to, &v6));
  g_assert_true (fz_relay_link_owns (bed.link, &v4));
  g_assert_true (fz_relay_link_owns (bed.link, &v6));

  g_assert_cmpint (say_mapped (&bed, &second, LOCAL6), ==, FZ_DROP_NONE);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &allocate);
  g_assert_true (fz_socket_address_equal (&allocate.to, &v6));
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_HOST, LOCAL6);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, LOCAL6);
  g_assert_cmpint (say_mapped (&bed, &first, MAPPED4), ==, FZ_DROP_NONE);
  expect_silence (&bed);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_HOST, LOCAL4);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, MAPPED4);
}

static void
test_one_family_silent (void)
{
  g_auto (Bed) bed = { 0 };
  Seen first;
  Seen second;
  Seen seen;

  bed_init (&bed, V4, V6);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &first);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &second);
  g_assert_cmpint (say_mapped (&bed, &first, MAPPED4), ==, FZ_DROP_NONE);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  say_error (&bed, &seen, 401);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  say_allocated (&bed, &seen, "198.51.100.9:50000", NULL);
  run_for (&bed, 20 * FZ_S);
  g_assert_false (fz_relay_link_is_finished (bed.link));
  skip_events (&bed);
  while (see (&bed, &seen))
    g_assert_cmpint (seen.to.ip.family, ==, FZ_IP_V6);
  run_for (&bed, 7 * FZ_S);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen); /* the keep-alive */
}

static const struct {
  const char *v4;
  const char *v6;
  const char *from;
  bool owned;
} sources[] = {
  { V4, NULL, V4, true },
  { V4, NULL, V6, false },
  { NULL, V6, V6, true },
  { NULL, V6, V4, false },
  { V4, V6, "198.51.100.9:3479", false },
  { V4, V6, "198.51.100.8:3478", false },
};

static void
test_sources (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (sources); i++) {
    g_auto (Bed) bed = { 0 };
    FzSocketAddress from = address (sources[i].from);

    bed_init (&bed, sources[i].v4, sources[i].v6);
    g_assert_true (fz_relay_link_owns (bed.link, &from) == sources[i].owned);
  }
}

/* A23 */
static void
test_rtt (void)
{
  g_auto (Bed) bed = { 0 };
  uint64_t rtt = 0;
  Seen seen;

  bed_init (&bed, V4, NULL);
  g_assert_false (fz_relay_link_get_rtt (bed.link, &rtt));
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  run_for (&bed, 40 * FZ_MS);
  say_mapped (&bed, &seen, MAPPED4);
  g_assert_true (fz_relay_link_get_rtt (bed.link, &rtt));
  g_assert_cmpuint (rtt, ==, 40 * FZ_MS);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  run_for (&bed, 200 * FZ_MS);
  say_error (&bed, &seen, 401);
  g_assert_true (fz_relay_link_get_rtt (bed.link, &rtt));
  g_assert_cmpuint (rtt, ==, 60 * FZ_MS);
}

static void
test_bad_binding_answers (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress elsewhere = address ("198.51.100.10:3478");
  FzSocketAddress local = address (LOCAL4);
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzStunMessage m;
  FzWriter w;
  Seen seen;

  bed_init (&bed, V4, NULL);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  begin (&seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  g_assert_cmpint (say (&bed, &seen, &w, false), ==, FZ_DROP_BAD_HEADER); /* no address */
  begin (&seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &local);
  g_assert_cmpint (fz_stun_parse (fz_span (buffer, w.length), &m), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_relay_link_handle_stun (bed.link, &m, &local, &elsewhere, bed.now),
                   ==,
                   FZ_DROP_UNKNOWN_SOURCE);
  m.transaction_id = vector_id;
  g_assert_cmpint (fz_relay_link_handle_stun (bed.link, &m, &local, &seen.to, bed.now),
                   ==,
                   FZ_DROP_UNKNOWN_INDEX);
  seen.m.type = FZ_STUN_ALLOCATE_REQUEST;
  g_assert_cmpint (say_yes (&bed, &seen), ==, FZ_DROP_UNKNOWN_PROTOCOL);
  expect_no_event (&bed);
  expect_silence (&bed);
}

/* §1.11: an address that changes without notice is announced, the old one not withdrawn. */
static void
test_moved_mapping (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  run_for (&bed, 27 * FZ_S);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  say_mapped (&bed, &seen, MAPPED4);
  expect_no_event (&bed);
  run_for (&bed, 27 * FZ_S);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  say_mapped (&bed, &seen, "203.0.113.8:1");
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, "203.0.113.8:1");
  expect_no_event (&bed);
}

/* -- allocation -- */

/* A2 as §5.4 measured it, A6, A7 */
static void
test_allocate (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  say_mapped (&bed, &seen, MAPPED4);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_USERNAME));
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_INTEGRITY));
  say_error (&bed, &seen, 401);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_true (fz_stun_has (&seen.m,
                              FZ_STUN_HAS_USERNAME | FZ_STUN_HAS_REALM | FZ_STUN_HAS_NONCE |
                                  FZ_STUN_HAS_INTEGRITY));
  g_assert_cmpmem (seen.m.nonce.data, seen.m.nonce.length, NONCE, strlen (NONCE));
  g_assert_cmpuint (seen.m.transport, ==, 17);
  say_allocated (&bed, &seen, "198.51.100.9:50000", "[2001:db8::9]:50000");
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_HOST, LOCAL4);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_SERVER_REFLEXIVE, MAPPED4);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE, FZ_CANDIDATE_RELAYED, "[2001:db8::9]:50000");
  expect_no_event (&bed);
  expect_silence (&bed);
}

static void
test_stale_nonce (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  g_strlcpy (bed.nonce, "second", sizeof bed.nonce);
  g_assert_cmpint (say_error (&bed, &seen, 438), ==, FZ_DROP_NONE);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpmem (seen.m.nonce.data, seen.m.nonce.length, "second", 6);
}

/* A challenge without end is not followed without end. */
static void
test_endless_challenge (void)
{
  for (int is_unsigned = 0; is_unsigned < 2; is_unsigned++) {
    g_auto (Bed) bed = { 0 };
    unsigned n = 0;
    Seen seen;

    bed_init (&bed, V4, NULL);
    bed.is_unsigned = is_unsigned;
    go_to_allocate (&bed, &seen);
    do {
      g_snprintf (bed.nonce, sizeof bed.nonce, "nonce %u", n++);
      say_error (&bed, &seen, 438);
    } while (see (&bed, &seen) && n < 100);
    g_assert_cmpuint (n, <=, 4);
    g_assert_false (fz_relay_link_is_finished (bed.link));
  }
}

/* Forged or unsigned answers are no verdict; the request stays outstanding. */
static void
test_forged (void)
{
  g_auto (Bed) bed = { 0 };
  uint8_t buffer[FZ_STUN_WRITE_MAX];
  FzWriter w;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  skip_events (&bed);
  bed.password = "wrong";
  g_assert_cmpint (say_allocated (&bed, &seen, "198.51.100.66:1", NULL), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (say_error (&bed, &seen, 403), ==, FZ_DROP_BAD_MAC);
  bed.is_unsigned = true;
  g_assert_cmpint (say_error (&bed, &seen, 400), ==, FZ_DROP_BAD_MAC);
  g_assert_cmpint (say_error (&bed, &seen, 437), ==, FZ_DROP_BAD_MAC);
  begin (&seen, &w, buffer, FZ_STUN_CLASS_SUCCESS);
  g_assert_cmpint (say (&bed, &seen, &w, false), ==, FZ_DROP_BAD_MAC);
  expect_no_event (&bed);
  run_for (&bed, FZ_S);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen); /* the retry, with a new id */
  bed.password = PASSWORD;
  g_assert_cmpint (say_allocated (&bed, &seen, "198.51.100.9:1", NULL), ==, FZ_DROP_NONE);
}

/* A19 */
static void
test_bad_credentials (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  fz_relay_link_refresh (bed.link, bed.now);
  expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_cmpint (say_error (&bed, &seen, 401), ==, FZ_DROP_NONE);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  expect_silence (&bed);
  g_assert_true (fz_relay_link_is_finished (bed.link));
  g_assert_cmpuint (fz_relay_link_next_timeout (bed.link), ==, FZ_INSTANT_NEVER);
}

/* A17, but with the slow retry of §11 #15, and no end to the relay's use for direct paths. */
static void
test_allocate_refused (void)
{
  g_auto (Bed) bed = { 0 };
  unsigned n_bindings = 0;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  bind_channel (&bed, PEER_A);
  g_assert_cmpint (say_error (&bed, &seen, 508), ==, FZ_DROP_NONE);
  g_assert_false (fz_relay_link_is_finished (bed.link));
  while (bed.now < START + 59 * FZ_S) {
    run_for (&bed, FZ_S);
    while (see (&bed, &seen)) {
      g_assert_cmphex (seen.m.type, ==, FZ_STUN_BINDING_REQUEST);
      say_mapped (&bed, &seen, MAPPED4);
      n_bindings++;
    }
  }
  g_assert_cmpuint (n_bindings, ==, 2);
  run_for (&bed, FZ_S);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpint (say_allocated (&bed, &seen, "198.51.100.9:50000", NULL), ==, FZ_DROP_NONE);
  expect_silence (&bed); /* the buffered channel was given up */
}

static void
test_refused_then_list_update (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  say_error (&bed, &seen, 486);
  fz_relay_link_refresh (bed.link, bed.now);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  say_mapped (&bed, &seen, MAPPED4);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
}

/* A STUN server only: silent to Allocate, alive all the same. */
static void
test_allocate_unanswered (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  say_mapped (&bed, &seen, MAPPED4);
  for (FzInstant end = START + 600 * FZ_S; bed.now < end;) {
    run_for (&bed, FZ_S / 2);
    while (see (&bed, &seen))
      if (seen.m.type == FZ_STUN_BINDING_REQUEST)
        say_mapped (&bed, &seen, MAPPED4);
    g_assert_false (fz_relay_link_is_finished (bed.link));
  }
}

/* 437 to Allocate: an allocation of ours from before is deleted first. */
static void
test_mismatch (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  say_error (&bed, &seen, 437);
  expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_true (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME));
  g_assert_cmpuint (seen.m.lifetime_s, ==, 0);
  say_refreshed (&bed, &seen, 0);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  g_assert_cmpint (say_allocated (&bed, &seen, "198.51.100.9:50000", NULL), ==, FZ_DROP_NONE);
}

static void
test_endless_mismatch (void)
{
  g_auto (Bed) bed = { 0 };
  unsigned n = 0;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  do
    say_error (&bed, &seen, 437);
  while (see (&bed, &seen) && ++n < 100);
  g_assert_cmpuint (n, <, 20);
}

/* A13, A15, A14 */
static void
test_refresh (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  for (int i = 0; i < 11; i++) { /* keep-alives up to 297 s */
    run_for (&bed, 27 * FZ_S);
    expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
    say_mapped (&bed, &seen, MAPPED4);
  }
  expect_silence (&bed);
  run_to (&bed, START + 300 * FZ_S);
  expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME));
  fz_relay_link_handle_timeout (bed.link, bed.now);
  g_assert_cmpint (say_refreshed (&bed, &seen, 600), ==, FZ_DROP_NONE);

  fz_relay_link_refresh (bed.link, bed.now);
  while (see (&bed, &seen) && seen.m.type != FZ_STUN_REFRESH_REQUEST)
    ;
  g_assert_cmphex (seen.m.type, ==, FZ_STUN_REFRESH_REQUEST);
  g_assert_false (fz_stun_has (&seen.m, FZ_STUN_HAS_LIFETIME));
  skip_events (&bed);
  say_error (&bed, &seen, 437);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
}

/* A peer makes us bind as many channels as we ever have under way, when the refresh is due. */
static void
test_refresh_without_room (void)
{
  g_auto (Bed) bed = { 0 };
  bool is_refreshed = false;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  for (int i = 0; i < 11; i++) {
    run_for (&bed, 27 * FZ_S);
    expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
    say_mapped (&bed, &seen, MAPPED4);
  }
  run_to (&bed, START + 300 * FZ_S - FZ_MS);
  for (unsigned port = 1; port <= 1000; port++) {
    g_autofree char *peer = g_strdup_printf ("203.0.113.20:%u", port);

    bind_channel (&bed, peer);
  }
  run_to (&bed, START + 300 * FZ_S);
  while (see (&bed, &seen))
    if (seen.m.type == FZ_STUN_CHANNEL_BIND_REQUEST)
      say_yes (&bed, &seen);
  run_for (&bed, 2 * FZ_S);
  while (see (&bed, &seen))
    is_refreshed |= seen.m.type == FZ_STUN_REFRESH_REQUEST;
  g_assert_true (is_refreshed);
}

/* A16; allocated anew rather than suspended (§11 #16). */
static void
test_expiry (void)
{
  g_auto (Bed) bed = { 0 };
  bool is_invalid = false;
  FzRelayEvent event;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  while (bed.now < START + 601 * FZ_S) {
    run_for (&bed, FZ_S);
    while (see (&bed, &seen))
      if (seen.m.type == FZ_STUN_BINDING_REQUEST)
        say_mapped (&bed, &seen, MAPPED4);
      else if (seen.m.type == FZ_STUN_REFRESH_REQUEST)
        say_error (&bed, &seen, 500);
      else
        g_assert_cmphex (seen.m.type, ==, FZ_STUN_ALLOCATE_REQUEST);
    while (fz_relay_link_poll_event (bed.link, &event))
      is_invalid |= event.kind == FZ_RELAY_EVENT_CANDIDATE_INVALID;
    g_assert_true (is_invalid == (bed.now >= START + 600 * FZ_S));
  }
}

static void
test_list_update_while_allocating (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  fz_relay_link_refresh (bed.link, bed.now);
  expect_silence (&bed);
}

/* §5.5: a list update's refresh has one second: a restarted relay is noticed fast. */
static void
test_list_update_unanswered (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  fz_relay_link_refresh (bed.link, bed.now);
  expect (&bed, FZ_STUN_REFRESH_REQUEST, &seen);
  run_for (&bed, FZ_S);
  expect_silence (&bed);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  g_assert_true (fz_relay_link_is_finished (bed.link));
}

/* A20, A21 */
static void
test_keep_alive (void)
{
  g_auto (Bed) bed = { 0 };
  FzRelayRoute out;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  bind_channel (&bed, PEER_A);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  say_yes (&bed, &seen);
  run_for (&bed, 20 * FZ_S);
  g_assert_true (route (&bed, PEER_A, &out));
  run_for (&bed, 27 * FZ_S - 1);
  expect_silence (&bed);
  run_for (&bed, 1);
  expect (&bed, FZ_STUN_BINDING_REQUEST, &seen);
  run_for (&bed, 8124 * FZ_MS);
  expect_no_event (&bed);
  run_for (&bed, FZ_MS);
  expect_event (&bed, FZ_RELAY_EVENT_CANDIDATE_INVALID, FZ_CANDIDATE_RELAYED, "198.51.100.9:50000");
  g_assert_false (route (&bed, PEER_A, &out));
}

static void
test_restart (void)
{
  g_auto (Bed) bed = { 0 };
  uint64_t rtt;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  fz_relay_link_restart (bed.link, bed.now);
  expect_no_event (&bed);
  g_assert_false (fz_relay_link_get_rtt (bed.link, &rtt));
  g_assert_null (fz_relay_link_get_candidate (bed.link, FZ_CANDIDATE_RELAYED, FZ_IP_V4));
  g_assert_null (fz_relay_link_get_candidate (bed.link, FZ_CANDIDATE_HOST, FZ_IP_V4));
  go_to_allocate (&bed, &seen); /* the nonce is forgotten as well */
}

/* -- channels -- */

/* A8, A9, A12, A11 */
static void
test_channels (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress relay = address (V4);
  FzRelayRoute out;
  Seen first;
  Seen second;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  bind_channel (&bed, PEER_A);
  bind_channel (&bed, PEER_B);
  bind_channel (&bed, PEER_A);
  bind_channel (&bed, PEER_6); /* no address of that family, as it turns out */
  expect_silence (&bed);
  say_allocated (&bed, &seen, "198.51.100.9:50000", NULL);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &first);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &second);
  expect_silence (&bed);
  g_assert_cmphex (first.m.channel, ==, 0x4000);
  g_assert_cmphex (second.m.channel, ==, 0x4001);

  g_assert_true (route (&bed, PEER_A, &out)); /* requested is enough to send */
  g_assert_cmphex (out.channel, ==, 0x4000);
  g_assert_true (fz_socket_address_equal (&out.to, &relay));
  say_yes (&bed, &first);
  g_assert_true (route (&bed, PEER_A, &out));
  bind_channel (&bed, PEER_A);
  bind_channel (&bed, PEER_B);
  expect_silence (&bed);
  g_assert_false (route (&bed, "203.0.113.22:1", &out)); /* unknown: bound lazily */
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  g_assert_false (route (&bed, PEER_6, &out));
  expect_silence (&bed);
}

/* A10 */
static void
test_channel_refused (void)
{
  g_auto (Bed) bed = { 0 };
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  bind_channel (&bed, PEER_A);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  g_assert_cmpint (say_error (&bed, &seen, 400), ==, FZ_DROP_NONE);
  bind_channel (&bed, PEER_A);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
}

/* A18 */
static void
test_channel_mismatch (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress peer = address (PEER_A);
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  bind_channel (&bed, PEER_A);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  say_error (&bed, &seen, 437);
  expect (&bed, FZ_STUN_ALLOCATE_REQUEST, &seen);
  say_allocated (&bed, &seen, "198.51.100.9:50001", NULL);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  g_assert_true (fz_socket_address_equal (&seen.m.xor_peer, &peer));
}

static FzDrop
unwrap (Bed *bed, const char *bytes, size_t length, FzRelayedDatagram *out)
{
  return fz_relay_link_unwrap (bed->link, fz_span (bytes, length), bed->now, out);
}

/* C5, and what is no ChannelData */
static void
test_unwrap (void)
{
  g_auto (Bed) bed = { 0 };
  FzSocketAddress peer = address (PEER_A);
  FzRelayedDatagram out = { 0 };
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_active (&bed);
  bind_channel (&bed, PEER_A);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out), ==, FZ_DROP_UNKNOWN_PEER);
  expect (&bed, FZ_STUN_CHANNEL_BIND_REQUEST, &seen);
  say_yes (&bed, &seen);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out), ==, FZ_DROP_NONE);
  g_assert_true (fz_socket_address_equal (&out.from, &peer));
  g_assert_cmpstr (fz_socket_address_format (&out.local, text), ==, "198.51.100.9:50000");
  g_assert_cmpmem (out.payload.data, out.payload.length, "x", 1);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x00", 4, &out), ==, FZ_DROP_NONE);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x02x", 5, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01xy", 6, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "\x40\x00\x00", 3, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "", 0, &out), ==, FZ_DROP_BAD_LENGTH);
  g_assert_cmpint (unwrap (&bed, "\x3f\xff\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PROTOCOL);
  g_assert_cmpint (unwrap (&bed, "\x80\x00\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PROTOCOL);
  g_assert_cmpint (unwrap (&bed, "\x4f\xff\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PEER);
  g_assert_cmpint (unwrap (&bed, "\x7f\xff\x00\x00", 4, &out), ==, FZ_DROP_UNKNOWN_PEER);
}

/* C6, C7: a channel in use is bound again before it ends; one that is not, ends. */
static void
test_channel_refresh (void)
{
  for (int is_used = 0; is_used < 2; is_used++) {
    g_auto (Bed) bed = { 0 };
    unsigned n_binds = 0;
    FzRelayedDatagram out;
    Seen seen;

    bed_init (&bed, V4, NULL);
    go_to_active (&bed);
    bind_channel (&bed, PEER_A);
    for (int s = 0; s < 1200; s++) {
      while (see (&bed, &seen)) {
        n_binds += seen.m.type == FZ_STUN_CHANNEL_BIND_REQUEST;
        if (seen.m.type == FZ_STUN_BINDING_REQUEST)
          say_mapped (&bed, &seen, MAPPED4);
        else if (seen.m.type == FZ_STUN_REFRESH_REQUEST)
          say_refreshed (&bed, &seen, 600);
        else
          say_yes (&bed, &seen);
      }
      if (is_used)
        g_assert_cmpint (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out), ==, FZ_DROP_NONE);
      run_for (&bed, FZ_S);
    }
    g_assert_cmpuint (n_binds, ==, is_used ? 4 : 1);
    g_assert_true (unwrap (&bed, "\x40\x00\x00\x01x", 5, &out) ==
                   (is_used ? FZ_DROP_NONE : FZ_DROP_UNKNOWN_PEER));
  }
}

static void
test_many_wanted (void)
{
  g_auto (Bed) bed = { 0 };
  unsigned n = 0;
  Seen seen;

  bed_init (&bed, V4, NULL);
  go_to_allocate (&bed, &seen);
  for (unsigned port = 1; port <= 150; port++) {
    g_autofree char *peer = g_strdup_printf ("203.0.113.20:%u", port);

    bind_channel (&bed, peer);
  }
  say_allocated (&bed, &seen, "198.51.100.9:50000", NULL);
  while (see (&bed, &seen)) {
    g_assert_cmpuint (seen.m.xor_peer.port, ==, 51 + n); /* the oldest were dropped */
    n++;
  }
  g_assert_cmpuint (n, ==, 100);
}

/* -- messages, A.2 -- */

static void
assert_hex (const uint8_t *bytes, size_t n, const char *hex)
{
  g_assert_cmpuint (strlen (hex), ==, 2 * n);
  for (size_t i = 0; i < n; i++)
    g_assert_cmphex (bytes[i],
                     ==,
                     g_ascii_xdigit_value (hex[2 * i]) << 4 |
                         g_ascii_xdigit_value (hex[2 * i + 1]));
}

static void
test_vectors (void)
{
  FzTurnAuth auth = { .username = USER, .realm = REALM, .nonce = NULL };
  FzSocketAddress peer = address (MAPPED4);
  uint8_t bytes[FZ_STUN_WRITE_MAX];

  fz_stun_long_term_key (fz_span (USER, strlen (USER)),
                         fz_span (REALM, strlen (REALM)),
                         fz_span (PASSWORD, strlen (PASSWORD)),
                         auth.key);
  assert_hex (bytes,
              fz_turn_write_binding (bytes, &vector_id),
              "0001000c2112a442000102030405060708090a0b80220007736e6f776e657400");
  assert_hex (bytes,
              fz_turn_write_allocate (bytes, &vector_id, &auth),
              "000300582112a442000102030405060708090a0b001900041100000080000004"
              "0200000080220007736e6f776e65740000060011313736373232353630303a63"
              "324673644100000000140008666972657a6f6e65000800142b2f7d43db571242"
              "a61674290292d273144e7b91");
  auth.nonce = NONCE;
  assert_hex (bytes,
              fz_turn_write_allocate (bytes, &vector_id, &auth),
              "000300802112a442000102030405060708090a0b001900041100000080000004"
              "0200000080220007736e6f776e65740000060011313736373232353630303a63"
              "324673644100000000140008666972657a6f6e65001500243366323530346530"
              "2d346638392d313164332d396130632d30333035653832633333303100080014"
              "948571844ddb2e31e4f02a1aeff2f79f02b22b28");
  assert_hex (bytes,
              fz_turn_write_channel_bind (bytes, &vector_id, &peer, 0x4000, &auth),
              "000900842112a442000102030405060708090a0b001200080001bd52ea12d545"
              "000c00044000000080220007736e6f776e657400000600113137363732323536"
              "30303a63324673644100000000140008666972657a6f6e650015002433663235"
              "303465302d346638392d313164332d396130632d303330356538326333333031"
              "0008001461cc0c3f2d481d60f15724e6f09813ddbd1e5b71");
}

/* Upstream's Refresh as published is understood; ours is the same without what coturn refuses. */
static void
test_refresh_message (void)
{
  static const uint16_t ours[] = { FZ_STUN_SOFTWARE, FZ_STUN_LIFETIME, FZ_STUN_USERNAME,
                                   FZ_STUN_REALM,    FZ_STUN_NONCE,    FZ_STUN_MESSAGE_INTEGRITY };
  static const char upstreams[] = "000400882112a442000102030405060708090a0b001900041100000080000004"
                                  "0200000080220007736e6f776e657400000d0004000000000006001131373637"
                                  "3232353630303a63324673644100000000140008666972657a6f6e6500150024"
                                  "33663235303465302d346638392d313164332d396130632d3033303565383263"
                                  "3333303100080014209ab0824e3be644f9aabb7c87d4f9dfb921e11c";
  FzTurnAuth auth = { .username = USER, .realm = REALM, .nonce = NONCE };
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzStunAttribute attribute;
  FzStunMessage m;
  FzReader r;
  size_t n;

  fz_stun_long_term_key (fz_span (USER, strlen (USER)),
                         fz_span (REALM, strlen (REALM)),
                         fz_span (PASSWORD, strlen (PASSWORD)),
                         auth.key);
  n = fz_turn_write_refresh (bytes, &vector_id, true, &auth);
  g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, FZ_DROP_NONE);
  g_assert_true (fz_stun_verify (&m, fz_span (auth.key, sizeof auth.key)));
  r = fz_stun_attributes (&m);
  for (size_t i = 0; i < G_N_ELEMENTS (ours); i++) {
    g_assert_true (fz_stun_next_attribute (&r, &attribute));
    g_assert_cmphex (attribute.type, ==, ours[i]);
  }
  g_assert_false (fz_stun_next_attribute (&r, &attribute));

  for (n = 0; upstreams[2 * n] != '\0'; n++)
    bytes[n] = (uint8_t) (g_ascii_xdigit_value (upstreams[2 * n]) << 4 |
                          g_ascii_xdigit_value (upstreams[2 * n + 1]));
  g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, FZ_DROP_NONE);
  g_assert_true (fz_stun_verify (&m, fz_span (auth.key, sizeof auth.key)));
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_LIFETIME | FZ_STUN_HAS_TRANSPORT));
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relay/binding/nobody-answers", test_nobody_answers);
  g_test_add_func ("/relay/binding/two-families", test_two_families);
  g_test_add_func ("/relay/binding/one-family-silent", test_one_family_silent);
  g_test_add_func ("/relay/binding/sources", test_sources);
  g_test_add_func ("/relay/binding/rtt", test_rtt);
  g_test_add_func ("/relay/binding/bad-answers", test_bad_binding_answers);
  g_test_add_func ("/relay/binding/moved-mapping", test_moved_mapping);
  g_test_add_func ("/relay/allocation/allocate", test_allocate);
  g_test_add_func ("/relay/allocation/stale-nonce", test_stale_nonce);
  g_test_add_func ("/relay/allocation/endless-challenge", test_endless_challenge);
  g_test_add_func ("/relay/allocation/forged", test_forged);
  g_test_add_func ("/relay/allocation/bad-credentials", test_bad_credentials);
  g_test_add_func ("/relay/allocation/refused", test_allocate_refused);
  g_test_add_func ("/relay/allocation/refused-then-list-update", test_refused_then_list_update);
  g_test_add_func ("/relay/allocation/unanswered", test_allocate_unanswered);
  g_test_add_func ("/relay/allocation/mismatch", test_mismatch);
  g_test_add_func ("/relay/allocation/endless-mismatch", test_endless_mismatch);
  g_test_add_func ("/relay/allocation/refresh", test_refresh);
  g_test_add_func ("/relay/allocation/refresh-without-room", test_refresh_without_room);
  g_test_add_func ("/relay/allocation/expiry", test_expiry);
  g_test_add_func ("/relay/list-update/while-allocating", test_list_update_while_allocating);
  g_test_add_func ("/relay/list-update/unanswered", test_list_update_unanswered);
  g_test_add_func ("/relay/keep-alive", test_keep_alive);
  g_test_add_func ("/relay/restart", test_restart);
  g_test_add_func ("/relay/channel/bind", test_channels);
  g_test_add_func ("/relay/channel/refused", test_channel_refused);
  g_test_add_func ("/relay/channel/mismatch", test_channel_mismatch);
  g_test_add_func ("/relay/channel/unwrap", test_unwrap);
  g_test_add_func ("/relay/channel/refresh", test_channel_refresh);
  g_test_add_func ("/relay/channel/many-wanted", test_many_wanted);
  g_test_add_func ("/relay/message/vectors", test_vectors);
  g_test_add_func ("/relay/message/refresh", test_refresh_message);
  return g_test_run ();
}

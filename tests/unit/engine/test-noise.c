/* test-noise.c: the handshake against the vector of connectivity.md, appendix A.1, and its refusals
 */

#include "src/engine/fz-cookie.h"
#include "src/engine/fz-identity.h"
#include "src/engine/fz-noise.h"
#include "tests/unit/engine/test-hex.h"

#define UNIX_NS (UINT64_C (1767225600) * FZ_S + 123456789)

static const char initiation_hex[] =
    "01000000010c0b0a64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188"
    "dd128d9846d48466158a0e4ca242d151ca97ab90159a98b67e616625e68b4065"
    "d357376b6598e644ad7d678c0295d22de4cb43d5135581ed36346bfa70f2623d"
    "26623586826e19004a1c874e7b55bd4ed722b3065a1bafc8774b953845fc4e85"
    "847055a200000000000000000000000000000000";
static const char response_hex[] =
    "0200000001030201010c0b0a244fe3b963e899dd295baffce248d3530f3a9a74"
    "79ba063002680ebfe7adad49a40a1c681f1125ad98d42e6ac7bbb979e602cfa9"
    "e376643af6d991fc307c9f3600000000000000000000000000000000";

typedef struct {
  FzIdentity *identity;
  FzNoisePeer peer; /* the other one, as this side knows it */
  FzCookieJar jar;  /* for messages to the other one */
} Side;

typedef struct {
  Side initiator;
  Side responder;
} Pair;

static FzIdentity *
identity_from (uint8_t first)
{
  CountingRng counting;
  FzRng rng = counting_rng (&counting, 0);
  uint8_t key[FZ_KEY_SIZE];

  fill_from (first, key, sizeof key);
  return fz_identity_new (key, &rng);
}

static void
introduce (Side *side, FzIdentity *other, uint8_t preshared_first)
{
  uint8_t preshared_key[FZ_KEY_SIZE];

  fill_from (preshared_first, preshared_key, sizeof preshared_key);
  g_assert_true (fz_noise_peer_init (
      &side->peer, side->identity, fz_identity_get_public_key (other), preshared_key));
  fz_cookie_jar_init (&side->jar, fz_identity_get_public_key (other));
}

static void
set_up (Pair *pair, gconstpointer data)
{
  pair->initiator.identity = identity_from (0x01);
  pair->responder.identity = identity_from (0x21);
  introduce (&pair->initiator, pair->responder.identity, 0x81);
  introduce (&pair->responder, pair->initiator.identity, 0x81);
}

static void
tear_down (Pair *pair, gconstpointer data)
{
  fz_identity_free (pair->initiator.identity);
  fz_identity_free (pair->responder.identity);
}

static void
write_initiation (Pair *pair, FzNoiseHandshake *handshake, uint8_t out[148])
{
  CountingRng counting;
  FzRng rng = counting_rng (&counting, 0x41);
  uint8_t timestamp[FZ_TAI64N_SIZE];

  fz_tai64n_write (UNIX_NS, timestamp);
  fz_noise_write_initiation (
      pair->initiator.identity, &pair->initiator.peer, &rng, 0x0a0b0c01, timestamp, handshake, out);
  fz_cookie_jar_seal (&pair->initiator.jar, out, 148, 0x0a0b0c01, 0);
}

static FzDrop
answer (Pair *pair, const uint8_t initiation[148], uint8_t out[92], FzNoiseKeys *keys)
{
  CountingRng counting;
  FzRng rng = counting_rng (&counting, 0x61);
  g_auto (FzNoiseInitiation) opened = { 0 };
  g_auto (FzNoiseAnswer) made_of = { 0 };
  FzWireguardMessage message;
  uint8_t timestamp[FZ_TAI64N_SIZE];
  FzDrop drop;

  g_assert_cmpint (fz_wireguard_parse (fz_span (initiation, 148), &message), ==, FZ_DROP_NONE);
  drop = fz_noise_open_initiation (pair->responder.identity, &message, &opened);
  if (drop == FZ_DROP_NONE)
    drop = fz_noise_read_timestamp (&opened, &pair->responder.peer, &message, timestamp);
  fz_noise_answer_init (&made_of, &pair->responder.peer, &rng, 0x01020301);
  if (drop == FZ_DROP_NONE)
    drop = fz_noise_write_response (&opened, &made_of, out, keys);
  if (drop == FZ_DROP_NONE)
    fz_cookie_jar_seal (&pair->responder.jar, out, 92, 0x01020301, 0);
  return drop;
}

static FzDrop
read_response (Pair *pair,
               const FzNoiseHandshake *handshake,
               const uint8_t response[92],
               FzNoiseKeys *keys)
{
  FzWireguardMessage message;

  g_assert_cmpint (fz_wireguard_parse (fz_span (response, 92), &message), ==, FZ_DROP_NONE);
  return fz_noise_read_response (
      handshake, pair->initiator.identity, &pair->initiator.peer, &message, keys);
}

static void
test_vector (Pair *pair, gconstpointer data)
{
  FzNoiseHandshake handshake;
  FzNoiseKeys ours, theirs;
  uint8_t initiation[148], response[92], tag[16];

  assert_hex (fz_identity_get_public_key (pair->initiator.identity),
              32,
              "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c");
  assert_hex (fz_identity_get_public_key (pair->responder.identity),
              32,
              "5869aff450549732cbaaed5e5df9b30a6da31cb0e5742bad5ad4a1a768f1a67b");

  write_initiation (pair, &handshake, initiation);
  assert_hex (initiation, 148, initiation_hex);
  assert_hex (handshake.state.chaining_key,
              32,
              "643693a7636a42b588f115bc0aae9a1db8432634b2e8d96ed67d308e74e132f5");
  assert_hex (
      handshake.state.hash, 32, "31c6a4c44167270fec7b19dcc0fa61113e4446401fa5d16d093eddbe29f408c9");

  g_assert_cmpint (answer (pair, initiation, response, &theirs), ==, FZ_DROP_NONE);
  assert_hex (response, 92, response_hex);
  g_assert_cmpint (read_response (pair, &handshake, response, &ours), ==, FZ_DROP_NONE);
  assert_hex (ours.send, 32, "248a29611829aaf7ee8bc8e87df805c1019f08f82d80eb79b7625821ba0a1317");
  assert_hex (ours.receive, 32, "848308e622b3e15e5ebc5312111efc31082e86c85e9ee93fe8c5aa7f972cc9c3");
  g_assert_cmpmem (ours.send, 32, theirs.receive, 32);
  g_assert_cmpmem (ours.receive, 32, theirs.send, 32);

  fz_chacha_seal (ours.send, 0, fz_span ("", 0), fz_span ("", 0), tag);
  assert_hex (tag, 16, "c7401bed732b18f3c0e395fc3f7435fa");
}

/* What the initiator's hidden fields tell the responder. */
static void
test_reveals_sender (Pair *pair, gconstpointer data)
{
  g_auto (FzNoiseInitiation) opened = { 0 };
  FzNoiseHandshake handshake;
  FzWireguardMessage message;
  uint8_t initiation[148], timestamp[FZ_TAI64N_SIZE];

  write_initiation (pair, &handshake, initiation);
  g_assert_cmpint (fz_wireguard_parse (fz_span (initiation, 148), &message), ==, FZ_DROP_NONE);
  g_assert_cmpint (
      fz_noise_open_initiation (pair->responder.identity, &message, &opened), ==, FZ_DROP_NONE);
  g_assert_cmpmem (
      opened.public_key, 32, fz_identity_get_public_key (pair->initiator.identity), 32);
  g_assert_cmphex (opened.remote_index, ==, 0x0a0b0c01);
  g_assert_cmpint (fz_noise_read_timestamp (&opened, &pair->responder.peer, &message, timestamp),
                   ==,
                   FZ_DROP_NONE);
  assert_hex (timestamp, 12, "400000006955b925075bcd15");
}

/* Every bit that the handshake authenticates; the last 32 bytes are the cookies'. */
static void
test_flipped_bits (Pair *pair, gconstpointer data)
{
  FzNoiseHandshake handshake;
  FzNoiseKeys keys;
  uint8_t initiation[148], response[92], scratch[92];

  write_initiation (pair, &handshake, initiation);
  g_assert_cmpint (answer (pair, initiation, response, &keys), ==, FZ_DROP_NONE);
  for (size_t i = 8; i < 116; i++) {
    /* X25519 ignores a public key's top bit, but the hash does not */
    initiation[i] ^= 0x80;
    g_assert_cmpint (answer (pair, initiation, scratch, &keys), !=, FZ_DROP_NONE);
    initiation[i] ^= 0x80;
  }
  for (size_t i = 12; i < 60; i++) {
    response[i] ^= 0x01;
    g_assert_cmpint (read_response (pair, &handshake, response, &keys), !=, FZ_DROP_NONE);
    response[i] ^= 0x01;
  }
  g_assert_cmpint (read_response (pair, &handshake, response, &keys), ==, FZ_DROP_NONE);
}

static void
test_preshared_keys_differ (Pair *pair, gconstpointer data)
{
  FzNoiseHandshake handshake;
  FzNoiseKeys keys;
  uint8_t initiation[148], response[92];

  introduce (&pair->responder, pair->initiator.identity, 0x82);
  write_initiation (pair, &handshake, initiation);
  /* the initiation does not depend on it; the response does */
  g_assert_cmpint (answer (pair, initiation, response, &keys), ==, FZ_DROP_NONE);
  g_assert_cmpint (read_response (pair, &handshake, response, &keys), ==, FZ_DROP_BAD_TAG);
}

static void
test_wrong_responder (Pair *pair, gconstpointer data)
{
  g_autoptr (FzIdentity) stranger = identity_from (0xa1);
  FzNoiseHandshake handshake;
  FzNoiseInitiation opened;
  FzWireguardMessage message;
  uint8_t initiation[148];

  write_initiation (pair, &handshake, initiation);
  g_assert_cmpint (fz_wireguard_parse (fz_span (initiation, 148), &message), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_noise_open_initiation (stranger, &message, &opened), ==, FZ_DROP_BAD_TAG);
}

/* An initiation whose static key was sealed by somebody else than its owner. */
static void
test_wrong_initiator (Pair *pair, gconstpointer data)
{
  g_autoptr (FzIdentity) stranger = identity_from (0xa1);
  FzNoiseHandshake handshake;
  FzNoiseKeys keys;
  uint8_t initiation[148], response[92];

  write_initiation (pair, &handshake, initiation);
  introduce (&pair->responder, stranger, 0x81);
  g_assert_cmpint (answer (pair, initiation, response, &keys), ==, FZ_DROP_BAD_TAG);
}

static void
test_low_order_points (Pair *pair, gconstpointer data)
{
  static const uint8_t zero[FZ_KEY_SIZE], one[FZ_KEY_SIZE] = { 1 };
  FzNoiseHandshake handshake;
  FzNoisePeer peer;
  FzNoiseKeys keys;
  uint8_t initiation[148], response[92];

  g_assert_false (fz_noise_peer_init (&peer, pair->initiator.identity, zero, zero));
  g_assert_false (fz_noise_peer_init (&peer, pair->initiator.identity, one, zero));

  write_initiation (pair, &handshake, initiation);
  g_assert_cmpint (answer (pair, initiation, response, &keys), ==, FZ_DROP_NONE);
  memcpy (initiation + FZ_WIREGUARD_INITIATION_EPHEMERAL, one, sizeof one);
  memcpy (response + FZ_WIREGUARD_RESPONSE_EPHEMERAL, zero, sizeof zero);
  g_assert_cmpint (answer (pair, initiation, response, &keys), ==, FZ_DROP_BAD_HEADER);
  g_assert_cmpint (read_response (pair, &handshake, response, &keys), ==, FZ_DROP_BAD_HEADER);
}

/* The two constants of the first lines of connectivity.md §2.1 are what the names hash to. */
static void
test_initial_state (void)
{
  static const char construction[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
  static const char identifier[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
  uint8_t c[FZ_HASH_SIZE], h[FZ_HASH_SIZE];
  FzSpan parts[] = { fz_span (construction, 37), fz_span (identifier, 34) };

  fz_blake2s (parts, 1, c);
  assert_hex (c, 32, "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36");
  parts[0] = fz_span (c, sizeof c);
  fz_blake2s (parts, 2, h);
  assert_hex (h, 32, "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
}

static void
test_tai64n (void)
{
  static const struct {
    uint64_t unix_ns;
    const char *hex;
  } rows[] = {
    { 0, "400000000000002500000000" },          { 999999999, "40000000000000253b9ac9ff" },
    { FZ_S, "400000000000002600000000" },       { UNIX_NS, "400000006955b925075bcd15" },
    { UINT64_MAX, "400000044b82fa2e2a4ae5ff" },
  };
  uint8_t stamp[FZ_TAI64N_SIZE], before[FZ_TAI64N_SIZE] = { 0 };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    fz_tai64n_write (rows[i].unix_ns, stamp);
    assert_hex (stamp, sizeof stamp, rows[i].hex);
    g_assert_cmpint (memcmp (before, stamp, sizeof stamp), <, 0);
    memcpy (before, stamp, sizeof stamp);
  }
}

#define ADD(path, function) g_test_add (path, Pair, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  ADD ("/noise/vector", test_vector);
  ADD ("/noise/reveals-sender", test_reveals_sender);
  ADD ("/noise/refuses/flipped-bits", test_flipped_bits);
  ADD ("/noise/refuses/other-preshared-key", test_preshared_keys_differ);
  ADD ("/noise/refuses/other-responder", test_wrong_responder);
  ADD ("/noise/refuses/other-initiator", test_wrong_initiator);
  ADD ("/noise/refuses/low-order-points", test_low_order_points);
  g_test_add_func ("/noise/initial-state", test_initial_state);
  g_test_add_func ("/noise/tai64n", test_tai64n);
  return g_test_run ();
}

/* test-cookie.c: mac1, cookies, the rate limiter and the order of checks at the door */

#include "src/engine/fz-cookie.h"
#include "src/engine/fz-identity.h"
#include "src/engine/fz-rate-limiter.h"
#include "tests/unit/engine/test-hex.h"

#define INDEX UINT32_C (0x0a0b0c01)

static const char initiation_hex[] =
    "01000000010c0b0a64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188"
    "dd128d9846d48466158a0e4ca242d151ca97ab90159a98b67e616625e68b4065"
    "d357376b6598e644ad7d678c0295d22de4cb43d5135581ed36346bfa70f2623d"
    "26623586826e19004a1c874e7b55bd4ed722b3065a1bafc8774b953845fc4e85"
    "847055a200000000000000000000000000000000";
static const char reply_hex[] = "03000000010c0b0a000102030405060708090a0b0c0d0e0f1011121314151617"
                                "04d443653cda5347908cb4c9ae5a30600b0b530d80cea6ecab07e2b75b1238ee";
static const char responder_hex[] =
    "5869aff450549732cbaaed5e5df9b30a6da31cb0e5742bad5ad4a1a768f1a67b";

static const FzSocketAddress alice = { { FZ_IP_V4, { 192, 0, 2, 1 } }, 4711 };

static FzWireguardMessage
parse (const uint8_t *datagram, size_t length)
{
  FzWireguardMessage message;

  g_assert_cmpint (fz_wireguard_parse (fz_span (datagram, length), &message), ==, FZ_DROP_NONE);
  return message;
}

static void
test_keys (void)
{
  FzCookieKeys keys;
  uint8_t public_key[32];

  from_hex (responder_hex, public_key, 32);
  fz_cookie_keys_init (&keys, public_key);
  assert_hex (keys.mac1, 32, "5c5cbbfd0c782a2539047315dc2b629f825570bc6a8686d245dd060463b85e1b");
  assert_hex (keys.cookie, 32, "17728e626505a9a7054fda9a980a5209fb72714de5d9e476848ec7214cc83713");
}

static void
test_mac1 (void)
{
  FzCookieKeys keys;
  uint8_t public_key[32], d[148];
  FzWireguardMessage message;

  from_hex (responder_hex, public_key, 32);
  fz_cookie_keys_init (&keys, public_key);
  from_hex (initiation_hex, d, sizeof d);
  message = parse (d, sizeof d);
  g_assert_true (fz_cookie_check_mac1 (&keys, &message));
  for (size_t i = 4; i < 132; i++) { /* all it covers, and itself */
    d[i] ^= 1;
    g_assert_false (fz_cookie_check_mac1 (&keys, &message));
    d[i] ^= 1;
  }
  d[140] ^= 1;
  g_assert_true (fz_cookie_check_mac1 (&keys, &message)); /* mac2 is not its affair */

  from_hex (reply_hex, d, 64);
  message = parse (d, 64);
  g_assert_false (fz_cookie_check_mac1 (&keys, &message)); /* a message without one */
}

/* Appendix A.1: the reply to the vector's initiation, and mac2 made with its cookie. */
static void
test_jar_vector (void)
{
  FzCookieJar jar;
  uint8_t public_key[32], d[148], reply[64];
  FzWireguardMessage message;

  from_hex (responder_hex, public_key, 32);
  from_hex (initiation_hex, d, sizeof d);
  from_hex (reply_hex, reply, sizeof reply);
  message = parse (reply, sizeof reply);
  fz_cookie_jar_init (&jar, public_key);
  fz_cookie_jar_seal (&jar, d, sizeof d, INDEX, 0);
  assert_hex (d, sizeof d, initiation_hex);

  g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &message, 7), ==, FZ_DROP_NONE);
  assert_hex (jar.cookie, 16, "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf");
  fz_cookie_jar_seal (&jar, d, sizeof d, INDEX, 8);
  assert_hex (d + 132, 16, "c5fa08b10c51ee774c050e6388c39e72");
}

static void
test_jar_refuses (void)
{
  FzCookieJar jar;
  uint8_t public_key[32], d[148], reply[64];
  FzWireguardMessage message;

  from_hex (responder_hex, public_key, 32);
  from_hex (initiation_hex, d, sizeof d);
  from_hex (reply_hex, reply, sizeof reply);
  message = parse (reply, sizeof reply);
  fz_cookie_jar_init (&jar, public_key);

  /* nobody asked */
  g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &message, 0), ==, FZ_DROP_UNKNOWN_INDEX);
  /* another message is the latest */
  fz_cookie_jar_seal (&jar, d, sizeof d, INDEX + 1, 0);
  g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &message, 0), ==, FZ_DROP_UNKNOWN_INDEX);
  /* right index, other contents */
  d[20] ^= 1;
  fz_cookie_jar_seal (&jar, d, sizeof d, INDEX, 0);
  g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &message, 0), ==, FZ_DROP_BAD_TAG);
  d[20] ^= 1;
  fz_cookie_jar_seal (&jar, d, sizeof d, INDEX, 0);
  for (size_t i = 8; i < 64; i++) {
    reply[i] ^= 1;
    g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &message, 0), ==, FZ_DROP_BAD_TAG);
    reply[i] ^= 1;
  }
  g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &message, 0), ==, FZ_DROP_NONE);
  /* once only */
  g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &message, 0), ==, FZ_DROP_UNKNOWN_INDEX);
}

/* -- baker and jar together -- */

typedef struct {
  FzCookieKeys keys; /* the baker's node */
  FzCookieBaker baker;
  FzCookieJar jar;
  FzSeededRng seeded;
  FzRng rng;
  uint8_t datagram[148];
} Exchange;

static void
set_up (Exchange *x, gconstpointer data)
{
  uint8_t public_key[32];

  from_hex (responder_hex, public_key, 32);
  fz_seeded_rng_init (&x->seeded, 1);
  x->rng = fz_seeded_rng (&x->seeded);
  fz_cookie_keys_init (&x->keys, public_key);
  fz_cookie_baker_init (&x->baker, &x->rng);
  fz_cookie_jar_init (&x->jar, public_key);
  from_hex (initiation_hex, x->datagram, sizeof x->datagram);
}

static void
tear_down (Exchange *x, gconstpointer data)
{
}

static FzWireguardMessage
seal (Exchange *x, FzInstant now)
{
  fz_cookie_jar_seal (&x->jar, x->datagram, sizeof x->datagram, INDEX, now);
  return parse (x->datagram, sizeof x->datagram);
}

/* One refused message and the reply to it. */
static void
give_cookie (Exchange *x, const FzSocketAddress *to, FzInstant now)
{
  FzWireguardMessage message = seal (x, now);
  uint8_t reply[64];

  fz_cookie_baker_write_reply (&x->baker, &x->keys, &x->rng, &message, to, now, reply);
  message = parse (reply, sizeof reply);
  g_assert_cmpint (fz_cookie_jar_take_reply (&x->jar, &message, now), ==, FZ_DROP_NONE);
}

static void
test_lifetime (Exchange *x, gconstpointer data)
{
  static const struct {
    FzInstant given_at, used_at;
    bool is_good;
    const char *why;
  } rows[] = {
    { 0, 0, true, "at once" },
    { 0, 119 * FZ_S, true, "just before its end" },
    { 0, 120 * FZ_S, false, "the holder's time is over" },
    { 119 * FZ_S, 238 * FZ_S, true, "the slot changed in between" },
    { 239 * FZ_S, 358 * FZ_S, true, "the same, later" },
    { 1000 * FZ_S, 1121 * FZ_S, false, "over again" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzWireguardMessage message;

    g_test_message ("%s", rows[i].why);
    fz_cookie_jar_clear (&x->jar);
    give_cookie (x, &alice, rows[i].given_at);
    message = seal (x, rows[i].used_at);
    g_assert_true (fz_cookie_baker_check (&x->baker, &message, &alice, rows[i].used_at) ==
                   rows[i].is_good);
  }
}

/* A jar that does not keep to its 120 s is told so by the baker after two slots. */
static void
test_old_cookie_of_a_hoarder (Exchange *x, gconstpointer data)
{
  FzWireguardMessage message;

  give_cookie (x, &alice, 0);
  x->jar.cookie_until = FZ_INSTANT_NEVER;
  message = seal (x, 240 * FZ_S);
  g_assert_false (fz_cookie_baker_check (&x->baker, &message, &alice, 240 * FZ_S));
}

static void
test_bound_to_address (Exchange *x, gconstpointer data)
{
  FzSocketAddress other_port = alice, other_ip = alice, unknown = { 0 };
  FzWireguardMessage message;

  other_port.port++;
  other_ip.ip.bytes[3]++;
  give_cookie (x, &alice, 0);
  message = seal (x, 1);
  g_assert_true (fz_cookie_baker_check (&x->baker, &message, &alice, 1));
  g_assert_false (fz_cookie_baker_check (&x->baker, &message, &other_port, 1));
  g_assert_false (fz_cookie_baker_check (&x->baker, &message, &other_ip, 1));
  g_assert_false (fz_cookie_baker_check (&x->baker, &message, &unknown, 1));
  x->datagram[132] ^= 1;
  g_assert_false (fz_cookie_baker_check (&x->baker, &message, &alice, 1));
}

static void
test_no_cookie (Exchange *x, gconstpointer data)
{
  FzWireguardMessage message = seal (x, 0);

  g_assert_false (fz_cookie_baker_check (&x->baker, &message, &alice, 0));
}

/* -- rate limiter -- */

static void
test_limiter_windows (void)
{
  static const uint8_t key[32];
  FzRateLimiter limiter;

  fz_rate_limiter_init (&limiter, 3, key);
  for (int round = 0; round < 3; round++) {
    FzInstant start = (FzInstant) round * 2 * FZ_S;

    for (int i = 0; i < 3; i++)
      g_assert_true (fz_rate_limiter_take (&limiter, start));
    g_assert_false (fz_rate_limiter_take (&limiter, start));
    g_assert_false (fz_rate_limiter_take (&limiter, start + FZ_S - 1));
  }
}

static void
test_limiter_sources (void)
{
  static const uint8_t key[32];
  FzRateLimiter limiter;
  FzIp one = alice.ip, other = alice.ip, v6_a, v6_b;

  other.bytes[3]++;
  g_assert_true (fz_ip_parse ("2001:db8:0:1::1", &v6_a));
  g_assert_true (fz_ip_parse ("2001:db8:0:1:ffff::2", &v6_b));
  fz_rate_limiter_init (&limiter, 1, key);
  for (unsigned i = 0; i < FZ_HANDSHAKES_PER_SOURCE_S; i++) {
    g_assert_true (fz_rate_limiter_take_source (&limiter, &one, 5));
    g_assert_true (fz_rate_limiter_take_source (&limiter, i % 2 ? &v6_a : &v6_b, 5));
  }
  g_assert_false (fz_rate_limiter_take_source (&limiter, &one, 5));
  g_assert_false (fz_rate_limiter_take_source (&limiter, &v6_a, 5)); /* one /64 is one source */
  g_assert_false (fz_rate_limiter_take_source (&limiter, &v6_b, 5));
  g_assert_true (fz_rate_limiter_take_source (&limiter, &other, 5));
  g_assert_true (fz_rate_limiter_take_source (&limiter, &one, 5 + FZ_S));
}

/* -- the door -- */

static void
test_door (void)
{
  FzSeededRng seeded;
  FzRng rng;
  uint8_t private_key[32], d[148], reply[64];
  g_autoptr (FzIdentity) identity = NULL;
  FzSocketAddress unknown = { 0 };
  FzCookieJar jar;
  FzWireguardMessage message, answer;
  bool has_reply = true;

  fz_seeded_rng_init (&seeded, 2);
  rng = fz_seeded_rng (&seeded);
  fill_from (0x21, private_key, 32);
  identity = fz_identity_new (private_key, &rng);
  fz_identity_set_limit (identity, 2);
  fz_cookie_jar_init (&jar, fz_identity_get_public_key (identity));
  from_hex (initiation_hex, d, sizeof d);
  fz_cookie_jar_seal (&jar, d, sizeof d, INDEX, 0);
  message = parse (d, sizeof d);

  /* forged messages are not counted: they cannot put the node under load */
  d[50] ^= 1;
  for (int i = 0; i < 10; i++)
    g_assert_cmpint (
        fz_identity_admit (identity, &message, &alice, 0, reply, &has_reply), ==, FZ_DROP_BAD_MAC);
  g_assert_false (has_reply);
  d[50] ^= 1;

  for (int i = 0; i < 2; i++)
    g_assert_cmpint (
        fz_identity_admit (identity, &message, &alice, 0, reply, &has_reply), ==, FZ_DROP_NONE);
  g_assert_cmpint (fz_identity_admit (identity, &message, &unknown, 0, reply, &has_reply),
                   ==,
                   FZ_DROP_RATE_LIMITED);
  g_assert_false (has_reply);
  g_assert_cmpint (fz_identity_admit (identity, &message, &alice, 0, reply, &has_reply),
                   ==,
                   FZ_DROP_RATE_LIMITED);
  g_assert_true (has_reply);

  answer = parse (reply, sizeof reply);
  g_assert_cmphex (answer.receiver_index, ==, INDEX);
  g_assert_cmpint (fz_cookie_jar_take_reply (&jar, &answer, 0), ==, FZ_DROP_NONE);
  fz_cookie_jar_seal (&jar, d, sizeof d, INDEX, 0);
  for (unsigned i = 0; i < FZ_HANDSHAKES_PER_SOURCE_S; i++)
    g_assert_cmpint (
        fz_identity_admit (identity, &message, &alice, 0, reply, &has_reply), ==, FZ_DROP_NONE);
  /* a proven source that wants too much gets nothing, not even a reply */
  g_assert_cmpint (fz_identity_admit (identity, &message, &alice, 0, reply, &has_reply),
                   ==,
                   FZ_DROP_RATE_LIMITED);
  g_assert_false (has_reply);

  /* W23: normal again by itself */
  g_assert_cmpint (fz_identity_admit (identity, &message, &alice, 2 * FZ_S, reply, &has_reply),
                   ==,
                   FZ_DROP_NONE);
}

static void
test_fresh_identity (void)
{
  FzSeededRng seeded;
  FzRng rng;
  g_autoptr (FzIdentity) a = NULL;
  g_autoptr (FzIdentity) b = NULL;
  uint8_t ab[32], ba[32];

  fz_seeded_rng_init (&seeded, 3);
  rng = fz_seeded_rng (&seeded);
  a = fz_identity_new (NULL, &rng);
  b = fz_identity_new (NULL, &rng);
  g_assert_true (fz_identity_agree (a, fz_identity_get_public_key (b), ab));
  g_assert_true (fz_identity_agree (b, fz_identity_get_public_key (a), ba));
  g_assert_cmpmem (ab, 32, ba, 32);
}

#define ADD(path, function) g_test_add (path, Exchange, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/cookie/keys", test_keys);
  g_test_add_func ("/cookie/mac1", test_mac1);
  g_test_add_func ("/cookie/jar/vector", test_jar_vector);
  g_test_add_func ("/cookie/jar/refuses", test_jar_refuses);
  ADD ("/cookie/baker/lifetime", test_lifetime);
  ADD ("/cookie/baker/hoarder", test_old_cookie_of_a_hoarder);
  ADD ("/cookie/baker/bound-to-address", test_bound_to_address);
  ADD ("/cookie/baker/no-cookie", test_no_cookie);
  g_test_add_func ("/rate-limiter/windows", test_limiter_windows);
  g_test_add_func ("/rate-limiter/sources", test_limiter_sources);
  g_test_add_func ("/identity/door", test_door);
  g_test_add_func ("/identity/fresh", test_fresh_identity);
  return g_test_run ();
}

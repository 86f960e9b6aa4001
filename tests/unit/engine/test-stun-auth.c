/* test-stun-auth.c: MESSAGE-INTEGRITY and the messages of connectivity checks, against RFC 5769 and
 * connectivity.md A.2 and A.3 */

#include "src/engine/fz-ice-message.h"
#include "src/engine/fz-stun-auth.h"

#include <glib.h>
#include <string.h>

static const FzStunTransactionId id = {
  { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 },
};

static size_t
bytes_of (const char *hex, uint8_t *out, size_t capacity)
{
  size_t n = strlen (hex) / 2;

  g_assert_cmpuint (n, <=, capacity);
  for (size_t i = 0; i < n; i++)
    out[i] =
        (uint8_t) (g_ascii_xdigit_value (hex[2 * i]) << 4 | g_ascii_xdigit_value (hex[2 * i + 1]));
  return n;
}

static void
assert_bytes (const uint8_t *actual, size_t length, const char *hex)
{
  uint8_t expected[512];
  size_t n = bytes_of (hex, expected, sizeof expected);

  g_assert_cmpmem (actual, length, expected, n);
}

static FzSpan
text_span (const char *text)
{
  return fz_span (text, strlen (text));
}

static const struct {
  const char *hex;
  const char *password;
  bool is_right;
  const char *why;
} short_term[] = {
  { "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e20746573"
    "7420636c69656e74002400046e0001ff80290008932ff9b151263b3600060009"
    "6576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"
    "c1b571a280280004e57a3bcf",
    "VOkJxbRl1RmTxUk/WvJxBt",
    true,
    "RFC 5769 §2.1, padding of spaces" },
  { "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563"
    "746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f9"
    "2af9ba53f06be7d780280004c07d4c96",
    "VOkJxbRl1RmTxUk/WvJxBt",
    true,
    "RFC 5769 §2.2" },
  { "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563"
    "746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014"
    "a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
    "VOkJxbRl1RmTxUk/WvJxBt",
    true,
    "RFC 5769 §2.3" },
  { "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563"
    "746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f9"
    "2af9ba53f06be7d780280004c07d4c96",
    "VOkJxbRl1RmTxUk/WvJxBT",
    false,
    "other password" },
  { "000100002112a442000102030405060708090a0b", "x", false, "no integrity" },
};

static void
test_short_term (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (short_term); i++) {
    uint8_t bytes[512];
    size_t n = bytes_of (short_term[i].hex, bytes, sizeof bytes);
    FzStunMessage m;

    g_test_message ("%s", short_term[i].why);
    g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, FZ_DROP_NONE);
    g_assert_true (fz_stun_verify (&m, fz_stun_short_term_key (short_term[i].password)) ==
                   short_term[i].is_right);
  }
}

/* RFC 5769 §2.4 */
static void
test_long_term (void)
{
  static const char hex[] = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383"
                            "aae38383e382afe382b900000015001c662f2f3439396b39353464364f4c3334"
                            "6f4c394653547679363473410014000b6578616d706c652e6f72670000080014"
                            "f67024656dd64a3e02b8e0712e85c9a28ca89666";
  uint8_t key[FZ_STUN_LONG_TERM_KEY_SIZE];
  uint8_t bytes[512];
  size_t n = bytes_of (hex, bytes, sizeof bytes);
  FzStunMessage m;

  g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, FZ_DROP_NONE);
  fz_stun_long_term_key (m.username, m.realm, text_span ("TheMatrIX"), key);
  g_assert_true (fz_stun_verify (&m, fz_span (key, sizeof key)));
}

/* A.2 */
static void
test_turn_key (void)
{
  uint8_t key[FZ_STUN_LONG_TERM_KEY_SIZE];

  fz_stun_long_term_key (
      text_span ("1767225600:c2FsdA"), text_span ("firezone"), text_span ("c2VjcmV0"), key);
  assert_bytes (key, sizeof key, "5b3da8fd6f65c936bf54deedec29ac3a");
}

/* A.3 */
static void
test_check (void)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  size_t n = fz_ice_write_check (bytes,
                                 &(FzIceCheck){
                                     .transaction_id = &id,
                                     .username = "rfra:lfra",
                                     .password = "abcdefghijklmnopqrstuv",
                                     .is_controlling = true,
                                     .tie_breaker = 0x0102030405060708,
                                     .priority = 1862270719,
                                     .use_candidate = true,
                                 });

  assert_bytes (bytes,
                n,
                "000100482112a442000102030405060708090a0b00060009726672613a6c6672"
                "61000000802a00080102030405060708002400046efffeff0025000000080014"
                "fa642b23ab02d2027a14f63cf2546c57a77e664a8028000484b2da90");
}

static void
test_success (void)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzSocketAddress mapped;
  size_t n;

  g_assert_true (fz_socket_address_parse ("203.0.113.7:40000", &mapped));
  n = fz_ice_write_success (bytes, &id, &mapped, "abcdefghijklmnopqrstuv");
  assert_bytes (bytes,
                n,
                "0101002c2112a442000102030405060708090a0b002000080001bd52ea12d545"
                "0008001498661505eff7344248f57ab332106ccbc8934549802800047d531463");
}

static void
test_role_conflict (void)
{
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  size_t n = fz_ice_write_role_conflict (bytes, &id, "abcdefghijklmnopqrstuv");

  assert_bytes (bytes,
                n,
                "011100382112a442000102030405060708090a0b0009001100000457526f6c65"
                "20436f6e666c69637400000000080014c05975df24d0e0e8bd723aa3f3a20394"
                "00d7c29780280004d9188e90");
}

int
main (int argc, char **argv)
{
  g_assert_true (fz_crypto_init ());
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun-auth/short-term", test_short_term);
  g_test_add_func ("/stun-auth/long-term", test_long_term);
  g_test_add_func ("/stun-auth/turn-key", test_turn_key);
  g_test_add_func ("/ice-message/check", test_check);
  g_test_add_func ("/ice-message/success", test_success);
  g_test_add_func ("/ice-message/role-conflict", test_role_conflict);
  return g_test_run ();
}

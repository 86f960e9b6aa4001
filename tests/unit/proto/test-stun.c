/* test-stun.c: STUN messages as bytes; digests are tested with src/engine/fz-stun-auth.c */

#include "src/proto/fz-stun.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>
#include <string.h>

static const FzStunTransactionId id = {
  { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 },
};

static size_t
from_hex (const char *hex, uint8_t *out, size_t capacity)
{
  size_t n = strlen (hex) / 2;

  g_assert_cmpuint (n, <=, capacity);
  for (size_t i = 0; i < n; i++)
    out[i] =
        (uint8_t) (g_ascii_xdigit_value (hex[2 * i]) << 4 | g_ascii_xdigit_value (hex[2 * i + 1]));
  return n;
}

static void
assert_hex (const FzWriter *w, const char *hex)
{
  uint8_t expected[512];
  size_t n = from_hex (hex, expected, sizeof expected);

  g_assert_true (w->ok);
  g_assert_cmpmem (w->start, w->length, expected, n);
}

static FzStunMessage
parse_hex (const char *hex)
{
  static uint8_t bytes[512];
  size_t n = from_hex (hex, bytes, sizeof bytes);
  FzStunMessage m;

  g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, FZ_DROP_NONE);
  return m;
}

static void
assert_address (const FzSocketAddress *actual, const char *expected)
{
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];

  g_assert_cmpstr (fz_socket_address_format (actual, text), ==, expected);
}

static void
assert_span (FzSpan actual, const char *expected)
{
  g_assert_cmpmem (actual.data, actual.length, expected, strlen (expected));
}

/* RFC 5769 §2.1 */
static const char rfc5769_request[] =
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e20746573"
    "7420636c69656e74002400046e0001ff80290008932ff9b151263b3600060009"
    "6576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"
    "c1b571a280280004e57a3bcf";
/* RFC 5769 §2.2 and §2.3 */
static const char rfc5769_v4[] = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563"
                                 "746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f9"
                                 "2af9ba53f06be7d780280004c07d4c96";
static const char rfc5769_v6[] = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563"
                                 "746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014"
                                 "a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

static void
test_request_vector (void)
{
  FzStunMessage m = parse_hex (rfc5769_request);
  FzSpan left;
  FzSpan right;

  g_assert_cmpuint (m.type, ==, FZ_STUN_BINDING_REQUEST);
  g_assert_true (fz_stun_has (&m,
                              FZ_STUN_HAS_SOFTWARE | FZ_STUN_HAS_PRIORITY | FZ_STUN_HAS_CONTROLLED |
                                  FZ_STUN_HAS_USERNAME | FZ_STUN_HAS_INTEGRITY |
                                  FZ_STUN_HAS_FINGERPRINT));
  g_assert_false (fz_stun_has (&m, FZ_STUN_HAS_USE_CANDIDATE));
  assert_span (m.software, "STUN test client");
  g_assert_cmphex (m.priority, ==, 0x6e0001ff);
  g_assert_cmphex (m.tie_breaker, ==, 0x932ff9b151263b36);
  g_assert_true (fz_stun_split_username (&m, &left, &right));
  assert_span (left, "evtj");
  assert_span (right, "h6vY");
  g_assert_true (fz_stun_check_fingerprint (&m));
}

static void
test_response_vectors (void)
{
  FzStunMessage m = parse_hex (rfc5769_v4);

  g_assert_cmpuint (m.type, ==, FZ_STUN_BINDING_SUCCESS);
  assert_address (&m.xor_mapped, "192.0.2.1:32853");
  g_assert_true (fz_stun_check_fingerprint (&m));

  m = parse_hex (rfc5769_v6);
  assert_address (&m.xor_mapped, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
  g_assert_true (fz_stun_check_fingerprint (&m));
}

static void
test_fingerprint_wrong (void)
{
  uint8_t bytes[512];
  size_t n = from_hex (rfc5769_v4, bytes, sizeof bytes);
  FzStunMessage m;

  for (size_t i = 20; i < n; i++) {
    bytes[i] ^= 1;
    if (fz_stun_parse (fz_span (bytes, n), &m) == FZ_DROP_NONE)
      g_assert_false (fz_stun_check_fingerprint (&m));
    bytes[i] ^= 1;
  }
}

/* connectivity.md A.2, the part that needs no key */
static void
test_write_binding (void)
{
  uint8_t bytes[64];
  FzWriter w;

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_REQUEST, &id);
  fz_stun_write_text (&w, FZ_STUN_SOFTWARE, "snownet");
  assert_hex (&w, "0001000c2112a442000102030405060708090a0b80220007736e6f776e657400");
}

static void
test_write_response (void)
{
  FzSocketAddress mapped = test_address ("203.0.113.7:40000");
  uint8_t bytes[64];
  FzWriter w;

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_SUCCESS, &id);
  fz_stun_write_text (&w, FZ_STUN_SOFTWARE, "firezone-relay");
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_MAPPED_ADDRESS, &mapped);
  assert_hex (&w,
              "010100202112a442000102030405060708090a0b8022000e666972657a6f6e65"
              "2d72656c61790000002000080001bd52ea12d545");
}

static void
test_parse_challenge (void)
{
  FzStunMessage m = parse_hex ("011300742112a442000102030405060708090a0b8022000e666972657a6f6e65"
                               "2d72656c617900000009001000000401556e617574686f72697a656400140008"
                               "666972657a6f6e650015002433663235303465302d346638392d313164332d39"
                               "6130632d30333035653832633333303100080014b7bf810910c2c0c3ed729bd7"
                               "104f21e8f3826541");

  g_assert_cmpuint (m.type, ==, FZ_STUN_ALLOCATE_ERROR);
  g_assert_cmpuint (m.error_code, ==, FZ_STUN_ERROR_UNAUTHENTICATED);
  assert_span (m.error_reason, "Unauthorized");
  assert_span (m.realm, "firezone");
  assert_span (m.nonce, "3f2504e0-4f89-11d3-9a0c-0305e82c3301");
  g_assert_cmpuint (m.integrity_offset, ==, 20 + 0x74 - 24);
}

static void
test_parse_allocation (void)
{
  FzStunMessage m = parse_hex ("010300642112a442000102030405060708090a0b8022000e666972657a6f6e65"
                               "2d72656c61790000001600080001e242e721c04b001600140002e2420113a9fa"
                               "000102030405060708090a02002000080001bd52ea12d545000d000400000258"
                               "000800140471c2e55accae7ba1a98675b2fcf2df455f56bf");

  assert_address (&m.xor_relayed_v4, "198.51.100.9:50000");
  assert_address (&m.xor_relayed_v6, "[2001:db8::9]:50000");
  assert_address (&m.xor_mapped, "203.0.113.7:40000");
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_LIFETIME));
  g_assert_cmpuint (m.lifetime_s, ==, 600);
}

static void
test_round_trip (void)
{
  FzSocketAddress peer = test_address ("[2001:db8::1]:1");
  uint8_t bytes[256];
  FzStunMessage m;
  FzWriter w;

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_CHANNEL_BIND_REQUEST, &id);
  fz_stun_write_xor_address (&w, FZ_STUN_XOR_PEER_ADDRESS, &peer);
  fz_stun_write_u16_padded (&w, FZ_STUN_CHANNEL_NUMBER, 0x4001);
  fz_stun_write_u8_padded (&w, FZ_STUN_REQUESTED_TRANSPORT, 17);
  fz_stun_write_u8_padded (&w, FZ_STUN_ADDITIONAL_ADDRESS_FAMILY, 2);
  fz_stun_write_u32 (&w, FZ_STUN_LIFETIME, 0);
  fz_stun_write_flag (&w, FZ_STUN_USE_CANDIDATE);
  fz_stun_write_u64 (&w, FZ_STUN_ICE_CONTROLLING, UINT64_MAX);
  fz_stun_write_error (&w, 487, "Role Conflict");
  fz_stun_write_fingerprint (&w);
  g_assert_true (w.ok);
  g_assert_cmpint (fz_stun_parse (fz_span (bytes, w.length), &m), ==, FZ_DROP_NONE);
  assert_address (&m.xor_peer, "[2001:db8::1]:1");
  g_assert_cmphex (m.channel, ==, 0x4001);
  g_assert_cmpuint (m.transport, ==, 17);
  g_assert_cmpuint (m.additional_family, ==, 2);
  g_assert_true (fz_stun_has (&m, FZ_STUN_HAS_LIFETIME | FZ_STUN_HAS_USE_CANDIDATE));
  g_assert_cmphex (m.tie_breaker, ==, UINT64_MAX);
  g_assert_cmpuint (m.error_code, ==, 487);
  g_assert_true (fz_stun_check_fingerprint (&m));
}

static void
test_writer_full (void)
{
  uint8_t bytes[23];
  FzWriter w;

  fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_REQUEST, &id);
  g_assert_true (w.ok);
  fz_stun_write_flag (&w, FZ_STUN_USE_CANDIDATE);
  g_assert_false (w.ok);
  fz_stun_write_fingerprint (&w);
  g_assert_cmpuint (w.length, ==, 20);
}

static const struct {
  const char *hex;
  FzDrop drop;
  const char *why;
} refused[] = {
  { "", FZ_DROP_TRUNCATED, "nothing" },
  { "000100002112a442000102030405060708090a", FZ_DROP_TRUNCATED, "header cut" },
  { "000100002112a443000102030405060708090a0b", FZ_DROP_NOT_STUN, "other cookie" },
  { "400100002112a442000102030405060708090a0b", FZ_DROP_NOT_STUN, "ChannelData's bits" },
  { "000100042112a442000102030405060708090a0b", FZ_DROP_BAD_LENGTH, "longer than there is" },
  { "000100002112a442000102030405060708090a0b00060000", FZ_DROP_BAD_LENGTH, "trailing bytes" },
  { "000100022112a442000102030405060708090a0b0006", FZ_DROP_BAD_LENGTH, "not a multiple of 4" },
  { "000100042112a442000102030405060708090a0b00060004", FZ_DROP_BAD_HEADER, "value missing" },
  { "000100082112a442000102030405060708090a0b0006000500000000", FZ_DROP_BAD_HEADER, "value cut" },
  { "0001000c2112a442000102030405060708090a0b002400050000000000000000",
    FZ_DROP_BAD_HEADER,
    "PRIORITY of 5 bytes" },
  { "000100082112a442000102030405060708090a0b0020000400010000",
    FZ_DROP_BAD_HEADER,
    "address without address" },
  { "0001000c2112a442000102030405060708090a0b002000080003000000000000",
    FZ_DROP_BAD_HEADER,
    "address of family 3" },
  { "0001000c2112a442000102030405060708090a0b002000080002000000000000",
    FZ_DROP_BAD_HEADER,
    "IPv6 address of 4 bytes" },
  { "000100082112a442000102030405060708090a0b0008000400000000",
    FZ_DROP_BAD_HEADER,
    "MESSAGE-INTEGRITY of 4 bytes" },
  { "000100082112a442000102030405060708090a0b0009000400000201",
    FZ_DROP_BAD_HEADER,
    "error class 2" },
  { "000100082112a442000102030405060708090a0b0009000400000464",
    FZ_DROP_BAD_HEADER,
    "error number 100" },
};

static void
test_refused (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (refused); i++) {
    uint8_t bytes[64];
    size_t n = from_hex (refused[i].hex, bytes, sizeof bytes);
    FzStunMessage m = { .type = 0xabcd };

    g_test_message ("%s", refused[i].why);
    g_assert_cmpint (fz_stun_parse (fz_span (bytes, n), &m), ==, refused[i].drop);
    g_assert_cmphex (m.type, ==, 0xabcd);
  }
}

static const struct {
  const char *hex;
  uint32_t has;
  const char *why;
} accepted[] = {
  { "000100002112a442000102030405060708090a0b", 0, "no attributes" },
  { "000100082112a442000102030405060708090a0b7fff000361626300", 0, "unknown, must understand" },
  { "000100082112a442000102030405060708090a0b0006000361626300", FZ_STUN_HAS_USERNAME, "padding" },
  { "000100082112a442000102030405060708090a0b00060003616263ff",
    FZ_STUN_HAS_USERNAME,
    "padding need not be zero" },
  { "000100202112a442000102030405060708090a0b"
    "000800140000000000000000000000000000000000000000"
    "0024000400000001",
    FZ_STUN_HAS_INTEGRITY,
    "nothing counts after MESSAGE-INTEGRITY" },
  { "000100202112a442000102030405060708090a0b"
    "000800140000000000000000000000000000000000000000"
    "8028000400000001",
    FZ_STUN_HAS_INTEGRITY | FZ_STUN_HAS_FINGERPRINT,
    "but FINGERPRINT" },
  { "000100102112a442000102030405060708090a0b80280004000000010024000400000001",
    FZ_STUN_HAS_FINGERPRINT,
    "nothing after FINGERPRINT" },
};

static void
test_accepted (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (accepted); i++) {
    g_test_message ("%s", accepted[i].why);
    g_assert_cmphex (parse_hex (accepted[i].hex).has, ==, accepted[i].has);
  }
}

static void
test_first_of_repeated (void)
{
  FzStunMessage m =
      parse_hex ("000100102112a442000102030405060708090a0b00240004000000010024000400000002");

  g_assert_cmpuint (m.priority, ==, 1);
}

static const struct {
  const char *username;
  const char *left; /* NULL: refused */
  const char *right;
} usernames[] = {
  { "a:b", "a", "b" },  { "a:b:c", "a", "b:c" }, { ":b", "", "b" }, { "a:", NULL, NULL },
  { "ab", NULL, NULL }, { "", NULL, NULL },      { "::", "", ":" },
};

static void
test_usernames (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (usernames); i++) {
    uint8_t bytes[64];
    FzSpan left;
    FzSpan right;
    FzStunMessage m;
    FzWriter w;

    fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_REQUEST, &id);
    fz_stun_write_text (&w, FZ_STUN_USERNAME, usernames[i].username);
    g_assert_cmpint (fz_stun_parse (fz_span (bytes, w.length), &m), ==, FZ_DROP_NONE);
    g_assert_true (fz_stun_split_username (&m, &left, &right) == (usernames[i].left != NULL));
    if (usernames[i].left == NULL)
      continue;
    assert_span (left, usernames[i].left);
    assert_span (right, usernames[i].right);
  }
}

static void
test_long_text (void)
{
  static char text[FZ_STUN_USERNAME_MAX + 2];
  uint8_t bytes[1024];
  FzStunMessage m;
  FzWriter w;

  for (size_t n = FZ_STUN_USERNAME_MAX; n <= FZ_STUN_USERNAME_MAX + 1; n++) {
    memset (text, 'x', n);
    fz_stun_begin (&w, bytes, sizeof bytes, FZ_STUN_BINDING_REQUEST, &id);
    fz_stun_write_text (&w, FZ_STUN_USERNAME, text);
    g_assert_cmpint (fz_stun_parse (fz_span (bytes, w.length), &m),
                     ==,
                     n == FZ_STUN_USERNAME_MAX ? FZ_DROP_NONE : FZ_DROP_BAD_HEADER);
  }
}

/* Every prefix, every flipped byte, and noise of every length: no crash, nothing past the end
 * (the copy is exact, so that a sanitizer sees it). */
static void
test_garbage (void)
{
  uint8_t bytes[512];
  size_t n = from_hex (rfc5769_request, bytes, sizeof bytes);
  FzStunMessage m;

  for (size_t i = 0; i < n; i++) {
    g_autofree uint8_t *copy = g_memdup2 (bytes, n);

    copy[i] ^= 0xff;
    if (fz_stun_parse (fz_span (copy, n), &m) == FZ_DROP_NONE)
      fz_stun_check_fingerprint (&m);
  }
  for (size_t length = 0; length < n; length++) {
    g_autofree uint8_t *copy = g_malloc (length + 1);

    memcpy (copy + 1, bytes, length);
    g_assert_cmpint (fz_stun_parse (fz_span (copy + 1, length), &m), !=, FZ_DROP_NONE);
  }
}

static void
test_walk (void)
{
  static const uint16_t expected[] = { 0x8022, 0x24, 0x8029, 6, 8, 0x8028 };
  FzStunMessage m = parse_hex (rfc5769_request);
  FzReader r = fz_stun_attributes (&m);
  FzStunAttribute attribute;

  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++) {
    g_assert_true (fz_stun_next_attribute (&r, &attribute));
    g_assert_cmphex (attribute.type, ==, expected[i]);
  }
  g_assert_false (fz_stun_next_attribute (&r, &attribute));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stun/parse/rfc5769-request", test_request_vector);
  g_test_add_func ("/stun/parse/rfc5769-responses", test_response_vectors);
  g_test_add_func ("/stun/parse/challenge", test_parse_challenge);
  g_test_add_func ("/stun/parse/allocation", test_parse_allocation);
  g_test_add_func ("/stun/parse/refused", test_refused);
  g_test_add_func ("/stun/parse/accepted", test_accepted);
  g_test_add_func ("/stun/parse/first-of-repeated", test_first_of_repeated);
  g_test_add_func ("/stun/parse/long-text", test_long_text);
  g_test_add_func ("/stun/parse/garbage", test_garbage);
  g_test_add_func ("/stun/username", test_usernames);
  g_test_add_func ("/stun/fingerprint/wrong", test_fingerprint_wrong);
  g_test_add_func ("/stun/walk", test_walk);
  g_test_add_func ("/stun/write/binding", test_write_binding);
  g_test_add_func ("/stun/write/response", test_write_response);
  g_test_add_func ("/stun/write/round-trip", test_round_trip);
  g_test_add_func ("/stun/write/full", test_writer_full);
  return g_test_run ();
}

/* test-candidate.c: candidates and their text, connectivity.md §3.2, §3.3, §4.2 and A.4 */

#include "src/proto/fz-candidate.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>
#include <string.h>

static void
assert_address (const FzSocketAddress *actual, const char *expected)
{
  char text[FZ_SOCKET_ADDRESS_TEXT_MAX];

  g_assert_cmpstr (fz_socket_address_format (actual, text), ==, expected);
}

static void
test_example (void)
{
  static const char line[] = "candidate:4fe8a2c17f3d9b06 1 udp 1686109951 203.0.113.7 40000 typ "
                             "srflx raddr 0.0.0.0 rport 0 ufrag jbi4";
  char text[FZ_CANDIDATE_TEXT_MAX];
  FzCandidate c;

  g_assert_true (fz_candidate_parse (line, &c));
  g_assert_cmpint (c.kind, ==, FZ_CANDIDATE_SERVER_REFLEXIVE);
  g_assert_cmpstr (c.foundation, ==, "4fe8a2c17f3d9b06");
  g_assert_cmpuint (c.priority, ==, 1686109951);
  assert_address (&c.address, "203.0.113.7:40000");
  assert_address (&c.base, "0.0.0.0:0");
  g_assert_cmpstr (c.ufrag, ==, "jbi4");
  g_assert_cmpstr (fz_candidate_format (&c, text), ==, line);
}

static void
test_format_kinds (void)
{
  static const struct {
    FzCandidateKind kind;
    const char *address;
    const char *text;
  } rows[] = {
    { FZ_CANDIDATE_HOST, "10.0.0.1:5", "candidate:f 1 udp 7 10.0.0.1 5 typ host ufrag u" },
    { FZ_CANDIDATE_PEER_REFLEXIVE, "[::1]:5", "candidate:f 1 udp 7 ::1 5 typ prflx ufrag u" },
    { FZ_CANDIDATE_SERVER_REFLEXIVE,
      "[2001:db8::1]:65535",
      "candidate:f 1 udp 7 2001:db8::1 65535 typ srflx raddr :: rport 0 ufrag u" },
    { FZ_CANDIDATE_RELAYED,
      "10.0.0.1:5",
      "candidate:f 1 udp 7 10.0.0.1 5 typ relay raddr 0.0.0.0 rport 0 ufrag u" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzCandidate c = {
      .kind = rows[i].kind,
      .address = test_address (rows[i].address),
      .base = test_address ("192.168.1.5:1"),
      .priority = 7,
      .foundation = "f",
      .ufrag = "u",
    };
    char text[FZ_CANDIDATE_TEXT_MAX];

    g_assert_cmpstr (fz_candidate_format (&c, text), ==, rows[i].text);
  }
}

/* A.4 */
static void
test_iceless (void)
{
  FzSocketAddress host = test_address ("127.0.0.1:1234");
  FzSocketAddress base = test_address ("192.168.1.5:52625");
  FzSocketAddress mapped = test_address ("203.0.113.7:40000");
  FzSocketAddress relayed = test_address ("[2001:db8::1]:50000");
  FzCandidate c = fz_candidate_host (&host);
  char text[FZ_CANDIDATE_TEXT_MAX];

  g_assert_cmpstr (fz_candidate_format_iceless (&c, text),
                   ==,
                   "candidate:3980819833808343013 1 udp 2130706431 127.0.0.1 1234 typ host");
  c = fz_candidate_server_reflexive (&mapped, &base);
  g_assert_cmpstr (fz_candidate_format_iceless (&c, text),
                   ==,
                   "candidate:17143847795575128535 1 udp 1694498815 203.0.113.7 40000 typ srflx "
                   "raddr 192.168.1.5 rport 52625");
  c.kind = FZ_CANDIDATE_PEER_REFLEXIVE;
  g_assert_nonnull (strstr (fz_candidate_format_iceless (&c, text), "17143847795575128535"));
  g_assert_nonnull (strstr (text, "typ srflx"));
  c = fz_candidate_relayed (&relayed, &base);
  g_assert_cmpstr (fz_candidate_format_iceless (&c, text),
                   ==,
                   "candidate:14820437932387223683 1 udp 16777215 2001:db8::1 50000 typ relay "
                   "raddr 192.168.1.5 rport 52625");
  g_assert_true (fz_candidate_parse (text, &c));
  assert_address (&c.base, "192.168.1.5:52625");
}

static void
test_invalidation (void)
{
  FzSocketAddress v4 = test_address ("198.51.100.9:50000");
  FzSocketAddress v6 = test_address ("[2001:db8::9]:50000");
  FzCandidate c = fz_candidate_relayed (&v4, &v6);
  char text[FZ_CANDIDATE_TEXT_MAX];

  memcpy (c.ufrag, "abcd", 5);
  c.priority = 1;
  g_assert_true (
      g_str_has_suffix (fz_candidate_format_invalidation (&c, text),
                        " 1 udp 50331391 198.51.100.9 50000 typ relay raddr 0.0.0.0 rport 0"));
  c = fz_candidate_relayed (&v6, &v6);
  g_assert_true (g_str_has_suffix (fz_candidate_format_invalidation (&c, text),
                                   " 1 udp 50331647 2001:db8::9 50000 typ relay raddr :: rport 0"));
}

static const struct {
  const char *text;
  bool accepted;
  const char *why;
} lines[] = {
  { "candidate:1 1 udp 1 10.0.0.1 5 typ host", true, "the least" },
  { "candidate:1 1 UDP 1 10.0.0.1 5 typ host", true, "case of the protocol" },
  { "candidate:1  1\tudp 1   10.0.0.1 5 typ host  ", true, "any spaces" },
  { "candidate:1 1 udp 4294967295 ::1 65535 typ prflx", true, "largest numbers" },
  { "candidate:+/aZ09 1 udp 0 10.0.0.1 0 typ relay", true, "all ice-chars" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ host generation 0 network-cost 9", true, "unknown keys" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ srflx ufrag u rport 1 raddr ::1", true, "any order" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ host generation", true, "key without value" },
  { "candidate:12345678901234567890123456789012 1 udp 1 10.0.0.1 5 typ host", true, "32 chars" },
  { "candidate:123456789012345678901234567890123 1 udp 1 10.0.0.1 5 typ host", false, "33" },
  { "", false, "nothing" },
  { "candidate:", false, "only the prefix" },
  { "candidate: 1 1 udp 1 10.0.0.1 5 typ host", false, "no foundation" },
  { "a=candidate:1 1 udp 1 10.0.0.1 5 typ host", false, "SDP's own prefix" },
  { "candidate:1 2 udp 1 10.0.0.1 5 typ host", false, "component 2" },
  { "candidate:1 65537 udp 1 10.0.0.1 5 typ host", false, "component that wraps to 1" },
  { "candidate:1 1 tcp 1 10.0.0.1 5 typ host", false, "TCP" },
  { "candidate:1 1 udp 4294967296 10.0.0.1 5 typ host", false, "priority too large" },
  { "candidate:1 1 udp -1 10.0.0.1 5 typ host", false, "negative priority" },
  { "candidate:1 1 udp x 10.0.0.1 5 typ host", false, "priority not a number" },
  { "candidate:1 1 udp 1 10.0.0 5 typ host", false, "bad address" },
  { "candidate:1 1 udp 1 [::1] 5 typ host", false, "brackets" },
  { "candidate:1 1 udp 1 fe80::1%eth0 5 typ host", false, "zone" },
  { "candidate:1 1 udp 1 host.local 5 typ host", false, "name" },
  { "candidate:1 1 udp 1 10.0.0.1 65536 typ host", false, "port too large" },
  { "candidate:1 1 udp 1 10.0.0.1 5 tip host", false, "not typ" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ", false, "no kind" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ magic", false, "unknown kind" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ host raddr", false, "raddr without address" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ host raddr x", false, "bad raddr" },
  { "candidate:1 1 udp 1 10.0.0.1 5 typ host rport 70000", false, "bad rport" },
  { "candidate:_ 1 udp 1 10.0.0.1 5 typ host", false, "foundation of other characters" },
};

static void
test_lines (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (lines); i++) {
    FzCandidate c = { .priority = 4711 };

    g_test_message ("%s", lines[i].why);
    g_assert_true (fz_candidate_parse (lines[i].text, &c) == lines[i].accepted);
    if (!lines[i].accepted)
      g_assert_cmpuint (c.priority, ==, 4711);
  }
}

static void
test_lengths (void)
{
  static const char start[] = "candidate:1 1 udp 1 10.0.0.1 5 typ host x ";
  g_autofree char *long_value = g_strnfill (2048 - strlen (start), 'y');
  g_autofree char *fits = g_strconcat (start, long_value, NULL);
  g_autofree char *too_long = g_strconcat (fits, "y", NULL);
  g_autofree char *ufrag = g_strnfill (256, 'u');
  g_autofree char *with_ufrag = g_strconcat (start, "x ufrag ", ufrag, NULL);
  g_autofree char *longer_ufrag = g_strconcat (with_ufrag, "u", NULL);
  char text[FZ_CANDIDATE_TEXT_MAX];
  FzCandidate c;

  g_assert_true (fz_candidate_parse (fits, &c));
  g_assert_false (fz_candidate_parse (too_long, &c));
  g_assert_true (fz_candidate_parse (with_ufrag, &c));
  g_assert_cmpuint (strlen (c.ufrag), ==, 256);
  g_assert_cmpuint (strlen (fz_candidate_format (&c, text)), <, sizeof text);
  g_assert_false (fz_candidate_parse (longer_ufrag, &c));
}

/* Every prefix of a full line is refused or parsed, and the full line with any byte changed. */
static void
test_garbage (void)
{
  static const char line[] = "candidate:4fe8a2c17f3d9b06 1 udp 1686109951 2001:db8::7 40000 typ "
                             "srflx raddr :: rport 0 ufrag jbi4";
  FzCandidate c;

  for (size_t n = 0; n < sizeof line; n++) {
    g_autofree char *cut = g_strndup (line, n);

    fz_candidate_parse (cut, &c);
  }
  for (size_t i = 0; i < sizeof line - 1; i++)
    for (int bit = 0; bit < 8; bit++) {
      g_autofree char *changed = g_strdup (line);

      changed[i] = (char) (changed[i] ^ 1 << bit);
      fz_candidate_parse (changed, &c);
    }
}

static const struct {
  const char *address;
  FzCandidateKind kind;
  const char *base;
  bool usable;
} usable[] = {
  { "10.0.0.1:1", FZ_CANDIDATE_HOST, "10.0.0.1:1", true },
  { "127.0.0.1:1", FZ_CANDIDATE_HOST, "127.0.0.1:1", true },
  { "[fe80::1]:1", FZ_CANDIDATE_HOST, "[fe80::1]:1", true },
  { "169.254.1.1:1", FZ_CANDIDATE_HOST, "169.254.1.1:1", false },
  { "255.255.255.255:1", FZ_CANDIDATE_HOST, "255.255.255.255:1", false },
  { "224.0.0.1:1", FZ_CANDIDATE_HOST, "224.0.0.1:1", false },
  { "0.0.0.0:1", FZ_CANDIDATE_HOST, "0.0.0.0:1", false },
  { "[::]:1", FZ_CANDIDATE_HOST, "[::]:1", false },
  { "[ff02::1]:1", FZ_CANDIDATE_HOST, "[ff02::1]:1", false },
  { "10.0.0.1:0", FZ_CANDIDATE_HOST, "10.0.0.1:0", false },
  { "203.0.113.7:1", FZ_CANDIDATE_SERVER_REFLEXIVE, "10.0.0.1:1", true },
  { "203.0.113.7:1", FZ_CANDIDATE_SERVER_REFLEXIVE, "[::1]:1", false },
  { "203.0.113.7:1", FZ_CANDIDATE_RELAYED, "[::1]:1", true },
};

static void
test_usable (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (usable); i++) {
    FzCandidate c = {
      .kind = usable[i].kind,
      .address = test_address (usable[i].address),
      .base = test_address (usable[i].base),
    };

    g_test_message ("%s", usable[i].address);
    g_assert_true (fz_candidate_is_usable (&c) == usable[i].usable);
  }
}

static void
test_priority (void)
{
  g_assert_cmpuint (fz_candidate_priority (FZ_CANDIDATE_HOST, 65535), ==, 2130706431);
  g_assert_cmpuint (fz_candidate_priority (FZ_CANDIDATE_SERVER_REFLEXIVE, 32766), ==, 1686109951);
  g_assert_cmpuint (fz_candidate_priority (FZ_CANDIDATE_PEER_REFLEXIVE, 65534), ==, 1862270719);
  g_assert_cmpuint (fz_candidate_priority (FZ_CANDIDATE_RELAYED, 15382), ==, 37492479);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/candidate/text/example", test_example);
  g_test_add_func ("/candidate/text/kinds", test_format_kinds);
  g_test_add_func ("/candidate/text/iceless", test_iceless);
  g_test_add_func ("/candidate/text/invalidation", test_invalidation);
  g_test_add_func ("/candidate/text/lines", test_lines);
  g_test_add_func ("/candidate/text/lengths", test_lengths);
  g_test_add_func ("/candidate/text/garbage", test_garbage);
  g_test_add_func ("/candidate/usable", test_usable);
  g_test_add_func ("/candidate/priority", test_priority);
  return g_test_run ();
}

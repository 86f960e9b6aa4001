/* test-p2p-control.c: the control protocol against connectivity.md A.5, and what no peer should
 * send. */

#include "src/proto/fz-p2p-control.h"

#include <glib.h>

static const char goodbye_hex[] = "600000000008ff00000000000000000000000000000000000000000000000000"
                                  "00000000000000000200000000000000";
static const char status_hex[] = "600000000064ff00000000000000000000000000000000000000000000000000"
                                 "000000000000000001000000000000007b227265736f75726365223a22313131"
                                 "31313131312d323232322d333333332d343434342d3535353535353535353535"
                                 "35222c22646f6d61696e223a226578616d706c652e636f6d222c227374617475"
                                 "73223a22416374697665227d";
static const FzUuid resource = {
  { 0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55 }
};

static void
assert_hex (const uint8_t *bytes, size_t n, const char *hex)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (size_t i = 0; i < n; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  g_assert_cmpstr (text->str, ==, hex);
}

static void
parse (const uint8_t *bytes, size_t n, uint8_t expected, FzSpan *out_payload)
{
  FzIpPacket packet;
  uint8_t event;

  g_assert_cmpint (fz_ip_packet_parse (fz_span (bytes, n), &packet), ==, FZ_DROP_NONE);
  g_assert_true (fz_ip_packet_is_control (&packet));
  g_assert_cmpint (fz_p2p_parse (&packet, &event, out_payload), ==, FZ_DROP_NONE);
  g_assert_cmpuint (event, ==, expected);
}

static void
test_goodbye (void)
{
  uint8_t packet[FZ_P2P_PACKET_MAX];
  size_t n = fz_p2p_write_goodbye (packet);
  FzSpan payload;

  assert_hex (packet, n, goodbye_hex);
  parse (packet, n, FZ_P2P_GOODBYE, &payload);
  g_assert_cmpuint (payload.length, ==, 0);
}

static void
test_domain_status (void)
{
  FzP2pDomainStatus status = { .resource = resource, .domain = "example.com", .is_active = true };
  FzP2pDomainStatus parsed;
  uint8_t packet[FZ_P2P_PACKET_MAX];
  size_t n = fz_p2p_write_domain_status (&status, packet);
  FzSpan payload;

  assert_hex (packet, n, status_hex);
  parse (packet, n, FZ_P2P_DOMAIN_STATUS, &payload);
  g_assert_cmpint (fz_p2p_parse_domain_status (payload, &parsed), ==, FZ_DROP_NONE);
  g_assert_true (fz_uuid_equal (&parsed.resource, &resource));
  g_assert_cmpstr (parsed.domain, ==, "example.com");
  g_assert_true (parsed.is_active);
}

static void
test_longest (void)
{
  FzP2pAssignedIps event = { .resource = resource, .n_ips = 8 };
  FzP2pAssignedIps parsed;
  uint8_t packet[FZ_P2P_PACKET_MAX];
  FzSpan payload;
  size_t n;

  memset (event.domain, 'a', 253);
  for (int i = 0; i < 4; i++)
    g_assert_true (fz_ip_parse ("127.0.0.1", &event.ips[i]));
  for (int i = 4; i < 8; i++)
    g_assert_true (fz_ip_parse ("::1", &event.ips[i]));
  n = fz_p2p_write_assigned_ips (&event, packet);
  parse (packet, n, FZ_P2P_ASSIGNED_IPS, &payload);
  g_assert_cmpuint (payload.length, ==, 402); /* connectivity.md §7.2 */
  g_assert_cmpint (fz_p2p_parse_assigned_ips (payload, &parsed), ==, FZ_DROP_NONE);
  g_assert_cmpstr (parsed.domain, ==, event.domain);
  g_assert_cmpuint (parsed.n_ips, ==, 8);
  g_assert_true (fz_ip_equal (&parsed.ips[7], &event.ips[7]));

  event.n_ips = 5;
  g_assert_cmpuint (fz_p2p_write_assigned_ips (&event, packet), ==, 0);
}

#define R "\"resource\":\"11111111-2222-3333-4444-555555555555\""
#define D "\"domain\":\"a.b\""
#define S "\"status\":\"Active\""

static const struct {
  const char *json;
  bool is_accepted, is_active;
  const char *why;
} statuses[] = {
  { "{" R "," D "," S "}", true, true, "as upstream writes it" },
  { " { " S " , " D " ,\n" R " } ", true, true, "any order, any space" },
  { "{" R "," D ",\"status\":\"Inactive\"}", true, false, "the other status" },
  { "{" R "," D ",\"status\":\"active\"}", true, false, "the case counts" },
  { "{" R "," D ",\"status\":\"Later\"}", true, false, "a status of the future" },
  { "{\"x\":{\"y\":[1,{\"z\":null}]},\"w\":-1.5e3," R "," D "," S "}", true, true, "unknown ones" },
  { "{" R ",\"domain\":\"\\u0061.b\"," S "}", true, true, "an escape" },
  { "{" R "," D "}", false, false, "a member is missing" },
  { "{" R "," D "," S, false, false, "cut off" },
  { "{" R "," D "," S "\"", false, false, "no comma" },
  { "{\"resource\":\"1\"," D "," S "}", false, false, "no uuid" },
  { "{" R ",\"domain\":7," S "}", false, false, "no string" },
  { "{" R ",\"domain\":\"\"," S "}", false, false, "no domain" },
  { "{\"x\":[[[[[[[[[[1]]]]]]]]]]," R "," D "," S "}", false, false, "too deep" },
  { "[" R "]", false, false, "no object" },
  { "", false, false, "nothing" },
};

static void
test_status_json (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (statuses); i++) {
    FzP2pDomainStatus parsed = { 0 };
    FzDrop drop =
        fz_p2p_parse_domain_status (fz_span (statuses[i].json, strlen (statuses[i].json)), &parsed);

    g_test_message ("%s", statuses[i].why);
    g_assert_cmpint (drop == FZ_DROP_NONE, ==, statuses[i].is_accepted);
    if (drop == FZ_DROP_NONE)
      g_assert_cmpint (parsed.is_active, ==, statuses[i].is_active);
  }
}

static void
test_every_cut (void)
{
  static const char whole[] = "{" R "," D ",\"proxy_ips\":[\"1.1.1.1\",\"2.2.2.2\",\"3.3.3.3\","
                              "\"::4\"]}";
  FzP2pAssignedIps parsed;

  g_assert_cmpint (
      fz_p2p_parse_assigned_ips (fz_span (whole, strlen (whole)), &parsed), ==, FZ_DROP_NONE);
  for (size_t n = 0; n < strlen (whole); n++) {
    g_autofree uint8_t *cut = g_memdup2 (whole, n); /* sanitizers see a byte too far */

    g_assert_cmpint (fz_p2p_parse_assigned_ips (fz_span (cut, n), &parsed), !=, FZ_DROP_NONE);
  }
}

static void
test_header_truncated (void)
{
  uint8_t packet[FZ_P2P_PACKET_MAX];
  FzIpPacket parsed;
  FzSpan payload;
  uint8_t event;

  fz_p2p_write_goodbye (packet);
  for (uint8_t n = 0; n < 8; n++) {
    packet[5] = n;
    g_assert_cmpint (fz_ip_packet_parse (fz_span (packet, 40u + n), &parsed), ==, FZ_DROP_NONE);
    g_assert_cmpint (fz_p2p_parse (&parsed, &event, &payload), ==, FZ_DROP_TRUNCATED);
  }
}

static void
test_domain_with_quote (void)
{
  FzP2pDomainStatus status = { .resource = resource, .domain = "a\",\"x\":\"" };
  uint8_t packet[FZ_P2P_PACKET_MAX];

  g_assert_cmpuint (fz_p2p_write_domain_status (&status, packet), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/p2p/goodbye", test_goodbye);
  g_test_add_func ("/p2p/domain-status/vector", test_domain_status);
  g_test_add_func ("/p2p/domain-status/json", test_status_json);
  g_test_add_func ("/p2p/domain-status/no-injection", test_domain_with_quote);
  g_test_add_func ("/p2p/assigned-ips/longest", test_longest);
  g_test_add_func ("/p2p/assigned-ips/every-cut", test_every_cut);
  g_test_add_func ("/p2p/header-truncated", test_header_truncated);
  return g_test_run ();
}

/* test-address.c: addresses, socket addresses and networks, and their text forms */

#include "src/base/fz-address.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>
#include <string.h>

static void
test_ip_text (void)
{
  static const struct {
    const char *text;
    const char *formatted; /* NULL: bad */
  } rows[] = {
    { "0.0.0.0", "0.0.0.0" },
    { "255.255.255.255", "255.255.255.255" },
    { "::", "::" },
    { "FD00:2021:1111:0:0:0:0:1", "fd00:2021:1111::1" },
    { "::ffff:1.2.3.4", "::ffff:1.2.3.4" },
    { "", NULL },
    { "1.2.3", NULL },
    { "1.2.3.4 ", NULL },
    { " 1.2.3.4", NULL },
    { "1.2.3.256", NULL },
    { "01.2.3.4", NULL },
    { "fe80::1%eth0", NULL },
    { "[::1]", NULL },
    { "1:2:3:4:5:6:7:8:9", NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzIp parsed = { .family = 99 };
    char text[FZ_IP_TEXT_MAX];

    g_test_message ("\"%s\"", rows[i].text);
    g_assert_true (fz_ip_parse (rows[i].text, &parsed) == (rows[i].formatted != NULL));
    if (rows[i].formatted != NULL)
      g_assert_cmpstr (fz_ip_format (&parsed, text), ==, rows[i].formatted);
    else
      g_assert_cmpuint (parsed.family, ==, 99);
  }
}

static void
test_ip_none (void)
{
  const FzIp none = { 0 };
  char text[FZ_IP_TEXT_MAX];

  g_assert_cmpstr (fz_ip_format (&none, text), ==, "none");
  g_assert_cmpuint (fz_ip_size (&none), ==, 0);
  g_assert_false (fz_ip_is_loopback (&none));
  g_assert_false (fz_ip_is_multicast (&none));
  g_assert_false (fz_ip_is_link_local (&none));
}

static void
test_ip_kinds (void)
{
  static const struct {
    const char *text;
    bool is_unspecified, is_loopback, is_multicast, is_link_local, is_broadcast;
  } rows[] = {
    { "0.0.0.0", .is_unspecified = true },
    { "::", .is_unspecified = true },
    { "127.0.0.1", .is_loopback = true },
    { "127.255.0.1", .is_loopback = true },
    { "::1", .is_loopback = true },
    { "::2", .is_unspecified = false },
    { "224.0.0.1", .is_multicast = true },
    { "239.255.255.255", .is_multicast = true },
    { "240.0.0.1", .is_unspecified = false },
    { "ff02::16", .is_multicast = true },
    { "169.254.1.1", .is_link_local = true },
    { "169.253.1.1", .is_unspecified = false },
    { "fe80::1", .is_link_local = true },
    { "febf::1", .is_link_local = true },
    { "fec0::1", .is_unspecified = false },
    { "255.255.255.255", .is_broadcast = true },
    { "100.64.0.1", .is_unspecified = false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzIp address = test_ip (rows[i].text);

    g_test_message ("%s", rows[i].text);
    g_assert_true (fz_ip_is_unspecified (&address) == rows[i].is_unspecified);
    g_assert_true (fz_ip_is_loopback (&address) == rows[i].is_loopback);
    g_assert_true (fz_ip_is_multicast (&address) == rows[i].is_multicast);
    g_assert_true (fz_ip_is_link_local (&address) == rows[i].is_link_local);
    g_assert_true (fz_ip_is_broadcast (&address) == rows[i].is_broadcast);
  }
}

static void
test_ip_order (void)
{
  static const char *const sorted[] = { "0.0.0.1", "10.0.0.1", "255.0.0.0", "::", "::1", "ff::" };

  for (size_t i = 0; i < G_N_ELEMENTS (sorted); i++)
    for (size_t j = 0; j < G_N_ELEMENTS (sorted); j++) {
      FzIp a = test_ip (sorted[i]), b = test_ip (sorted[j]);
      int order = fz_ip_compare (&a, &b);

      g_assert_true ((order < 0) == (i < j) && (order > 0) == (i > j));
      g_assert_true (fz_ip_equal (&a, &b) == (i == j));
    }
}

static void
test_socket_text (void)
{
  static const struct {
    const char *text;
    bool is_good;
  } rows[] = {
    { "1.2.3.4:0", true },
    { "1.2.3.4:65535", true },
    { "[::1]:3478", true },
    { "1.2.3.4:65536", false },
    { "1.2.3.4:", false },
    { "1.2.3.4", false },
    { "::1:80", false },
    { "[::1]", false },
    { "[::1]80", false },
    { "[1.2.3.4]:5", false },
    { "1.2.3.4:+5", false },
    { "1.2.3.4: 5", false },
    { "1.2.3.4:000005", false },
    { ":", false },
    { "[:5", false },
    { "[]:5", false },
    { "", false },
    { "]:5", false },
    { "[", false },
    { ":5", false },
    { "[00000000000000000000000000000000000000000000000000001]:5", false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzSocketAddress address;
    char text[FZ_SOCKET_ADDRESS_TEXT_MAX];

    g_test_message ("\"%s\"", rows[i].text);
    g_assert_true (fz_socket_address_parse (rows[i].text, &address) == rows[i].is_good);
    if (rows[i].is_good)
      g_assert_cmpstr (fz_socket_address_format (&address, text), ==, rows[i].text);
  }
}

static void
test_socket_order (void)
{
  FzSocketAddress a, b;

  g_assert_true (fz_socket_address_parse ("1.2.3.4:5", &a));
  g_assert_true (fz_socket_address_parse ("1.2.3.4:6", &b));
  g_assert_cmpint (fz_socket_address_compare (&a, &b), <, 0);
  g_assert_false (fz_socket_address_equal (&a, &b));
  b.port = 5;
  g_assert_true (fz_socket_address_equal (&a, &b));
  g_assert_cmpint (fz_socket_address_compare (&a, &b), ==, 0);
}

static void
test_network_text (void)
{
  static const struct {
    const char *text;
    const char *formatted; /* NULL: bad */
  } rows[] = {
    { "10.0.0.0/8", "10.0.0.0/8" },
    { "0.0.0.0/0", "0.0.0.0/0" },
    { "::/0", "::/0" },
    { "100.64.0.0/11", "100.64.0.0/11" },
    { "fd00:2021:1111::/107", "fd00:2021:1111::/107" },
    { "1.2.3.4", "1.2.3.4/32" },
    { "::1", "::1/128" },
    { "10.0.0.1/8", NULL },
    { "fd00::1/64", NULL },
    { "10.0.0.0/33", NULL },
    { "::/129", NULL },
    { "10.0.0.0/", NULL },
    { "10.0.0.0/-1", NULL },
    { "10.0.0.0/8/8", NULL },
    { "/8", NULL },
    { "", NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzIpNetwork parsed;
    char text[FZ_IP_NETWORK_TEXT_MAX];

    g_test_message ("\"%s\"", rows[i].text);
    g_assert_true (fz_ip_network_parse (rows[i].text, &parsed) == (rows[i].formatted != NULL));
    if (rows[i].formatted != NULL)
      g_assert_cmpstr (fz_ip_network_format (&parsed, text), ==, rows[i].formatted);
  }
}

static void
test_network_contains (void)
{
  static const struct {
    const char *network;
    const char *ip;
    bool is_in;
  } rows[] = {
    { "100.64.0.0/11", "100.64.0.0", true },
    { "100.64.0.0/11", "100.95.255.255", true },
    { "100.64.0.0/11", "100.96.0.0", false },
    { "0.0.0.0/0", "8.8.8.8", true },
    { "0.0.0.0/0", "::", false },
    { "::/0", "1.2.3.4", false },
    { "1.2.3.4/32", "1.2.3.4", true },
    { "1.2.3.4/32", "1.2.3.5", false },
    { "fd00:2021:1111::/107", "fd00:2021:1111::1f:ffff", true },
    { "fd00:2021:1111::/107", "fd00:2021:1111::20:0", false },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzIpNetwork n = test_network (rows[i].network);
    FzIp address = test_ip (rows[i].ip);

    g_test_message ("%s in %s", rows[i].ip, rows[i].network);
    g_assert_true (fz_ip_network_contains (&n, &address) == rows[i].is_in);
  }
}

static void
test_masked (void)
{
  FzIp all = test_ip ("255.255.255.255"), masked;
  char text[FZ_IP_TEXT_MAX];

  masked = fz_ip_masked (&all, 9);
  g_assert_cmpstr (fz_ip_format (&masked, text), ==, "255.128.0.0");
  masked = fz_ip_masked (&all, 0);
  g_assert_cmpstr (fz_ip_format (&masked, text), ==, "0.0.0.0");
  masked = fz_ip_masked (&all, 99);
  g_assert_true (fz_ip_equal (&masked, &all));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/address/ip/text", test_ip_text);
  g_test_add_func ("/address/ip/none", test_ip_none);
  g_test_add_func ("/address/ip/kinds", test_ip_kinds);
  g_test_add_func ("/address/ip/order", test_ip_order);
  g_test_add_func ("/address/socket/text", test_socket_text);
  g_test_add_func ("/address/socket/order", test_socket_order);
  g_test_add_func ("/address/network/text", test_network_text);
  g_test_add_func ("/address/network/contains", test_network_contains);
  g_test_add_func ("/address/network/masked", test_masked);
  return g_test_run ();
}

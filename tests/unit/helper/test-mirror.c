/* test-mirror.c: what a session shows, in the words of the bus; and sums that never fall */

#include "src/helper/fz-mirror.h"
#include "src/helper/fz-totals.h"

#include <string.h>

static void
test_reach (void)
{
  static const struct {
    FzReach reach;
    const char *resource;
    const char *gateway;
  } rows[] = {
    { FZ_REACH_IDLE, "idle", "connecting" },
    { FZ_REACH_CONNECTING, "connecting", "connecting" },
    { FZ_REACH_DIRECT, "direct", "direct" },
    { FZ_REACH_RELAYED, "relayed", "relayed" },
    { FZ_REACH_OFFLINE, "offline", "connecting" },
    { FZ_REACH_DENIED, "denied", "connecting" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_assert_cmpstr (fz_mirror_reach_name (rows[i].reach), ==, rows[i].resource);
    g_assert_cmpstr (fz_mirror_path_name (rows[i].reach), ==, rows[i].gateway);
  }
}

static void
test_addresses (void)
{
  static const struct {
    FzResourceKind kind;
    const char *network; /* or the pattern */
    const char *kind_name;
    const char *address;
  } rows[] = {
    { FZ_RESOURCE_CIDR, "10.20.0.0/16", "cidr", "10.20.0.0/16" },
    { FZ_RESOURCE_CIDR, "10.9.8.7/32", "ip", "10.9.8.7" },
    { FZ_RESOURCE_CIDR, "0.0.0.0/0", "cidr", "0.0.0.0/0" },
    { FZ_RESOURCE_CIDR, "fd20::/64", "cidr", "fd20::/64" },
    { FZ_RESOURCE_CIDR, "fd20::10/128", "ip", "fd20::10" },
    { FZ_RESOURCE_CIDR, "fd20::/32", "cidr", "fd20::/32" },
    { FZ_RESOURCE_DNS, "*.corp.example", "dns", "*.corp.example" },
    { FZ_RESOURCE_INTERNET, NULL, "internet", "" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzResource resource = { .kind = rows[i].kind };
    g_autofree char *address = NULL;

    if (resource.kind == FZ_RESOURCE_CIDR)
      g_assert_true (fz_ip_network_parse (rows[i].network, &resource.network));
    else
      resource.pattern = rows[i].network;
    address = fz_mirror_dup_address (&resource);
    g_assert_cmpstr (address, ==, rows[i].address);
    g_assert_cmpstr (fz_mirror_kind_name (&resource), ==, rows[i].kind_name);
  }
}

static void
test_totals (void)
{
  FzGatewayView views[2] = { { .id.bytes = { 1 }, .tx_bytes = 100, .rx_bytes = 10, .rtt_us = 900 },
                             { .id.bytes = { 2 }, .tx_bytes = 5, .tx_packets = 1, .rtt_us = 400 } };
  FzTotals totals;

  fz_totals_init (&totals);
  fz_totals_update (&totals, views, 0);
  g_assert_cmpuint (totals.sum.tx_bytes, ==, 0);
  fz_totals_update (&totals, views, 2);
  fz_totals_update (&totals, views, 2); /* twice is once */
  g_assert_cmpuint (totals.sum.tx_bytes, ==, 105);
  g_assert_cmpuint (totals.sum.rx_bytes, ==, 10);
  g_assert_cmpuint (totals.sum.tx_packets, ==, 1);
  g_assert_cmpuint (totals.sum.rtt_us, ==, 400);

  /* One is gone: what it carried stays. */
  views[0].tx_bytes = 150;
  fz_totals_update (&totals, views, 1);
  g_assert_cmpuint (totals.sum.tx_bytes, ==, 155);
  g_assert_cmpuint (totals.sum.rtt_us, ==, 900);

  /* It comes back and counts from zero. */
  views[1].tx_bytes = 3;
  fz_totals_update (&totals, views, 2);
  g_assert_cmpuint (totals.sum.tx_bytes, ==, 158);

  fz_totals_reset (&totals);
  g_assert_cmpuint (totals.sum.tx_bytes, ==, 0);
  fz_totals_clear (&totals);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mirror/reach", test_reach);
  g_test_add_func ("/mirror/addresses", test_addresses);
  g_test_add_func ("/totals/never-fall", test_totals);
  return g_test_run ();
}

/* test-linux-monitor.c: what the real platform tells of network changes, and when */

#include "tests/unit/platform/netns-bed.h"

#include <string.h>

#define TUN         FZ_TUN_NAME
#define QUIET_MS    1000u /* nothing that is told comes later than this */
#define AT_ONCE_MS  300u  /* well under the debounce of 500 */
#define PATIENCE_MS 60000u

typedef struct {
  bool has_come; /* since the last look */
  unsigned n_link, n_route, n_gone;
} Heard;

static void
on_change (FzNetworkChange change, gpointer user_data)
{
  Heard *heard = user_data;

  heard->has_come = true;
  switch (change) {
  case FZ_NETWORK_CHANGE_LINK:
    heard->n_link++;
    break;
  case FZ_NETWORK_CHANGE_ROUTE:
    heard->n_route++;
    break;
  case FZ_NETWORK_CHANGE_TUN_GONE:
    heard->n_gone++;
    break;
  }
}

static void
watch (FzPlatform *platform, FzTun *tun, Heard *heard)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (fz_platform_watch_network (platform, tun, on_change, heard, &error));
  g_assert_no_error (error);
}

/* Runs @command and waits for what is told, so long; the time it took, in ms. */
static unsigned
change_within (Heard *heard, const char *command, unsigned most_ms)
{
  unsigned took;
  bool is_over = false;

  *heard = (Heard){ 0 };
  g_free (bed_run ("%s", command));
  took = bed_wait (&heard->has_come, most_ms);
  bed_wait (&is_over, 50); /* what comes along with it */
  return took;
}

static unsigned
change (Heard *heard, const char *command)
{
  return change_within (heard, command, QUIET_MS);
}

static void
add_link (void)
{
  g_free (bed_run ("ip link add veth0 type veth peer name veth1; ip link set veth0 up;"
                   "ip link set veth1 up; ip addr add 192.168.7.1/24 dev veth0"));
}

static void
test_changes (void)
{
  static const struct {
    const char *command;
    unsigned n_link, n_route;
    const char *why;
  } rows[] = {
    { "ip addr add 192.168.8.1/24 dev veth0", 1, 0, "an address came" },
    { "ip addr del 192.168.8.1/24 dev veth0", 1, 0, "an address went" },
    { "ip -6 addr add 2001:db8::1/64 dev veth0 nodad", 1, 0, "an IPv6 address came" },
    { "ip -6 addr change 2001:db8::1/64 dev veth0 valid_lft 500 preferred_lft 400",
      0,
      0,
      "a lease was renewed" },
    { "ip route add default via 192.168.7.2", 0, 1, "a default route came" },
    { "ip route change default via 192.168.7.3", 0, 1, "another gateway" },
    { "ip route add 10.0.0.0/8 via 192.168.7.2", 0, 0, "not the default route" },
    { "ip link add veth7 type veth peer name veth8; ip link set veth7 up; ip link set veth8 up; ip "
      "link del veth7",
      0,
      0,
      "a link without an address" },
    { "ip addr add 10.77.0.1/24 dev " TUN "; ip route add default dev " TUN " metric 9",
      0,
      0,
      "our own device" },
    { "ip addr add 192.168.9.1/24 dev veth0; ip addr del 192.168.9.1/24 dev veth0",
      0,
      0,
      "there and gone within the debounce" },
    { "ip link set veth1 down", 1, 0, "no carrier" },
    { "ip link set veth1 up", 1, 0, "carrier again" },
    { "ip link set veth0 down", 1, 1, "link down takes its routes along" },
  };
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);
  const FzIp ipv4 = test_ip ("100.64.0.7");
  Heard heard;

  add_link ();
  g_assert_true (fz_platform_set_addresses (platform, tun, &ipv4, NULL, NULL));
  watch (platform, tun, &heard);
  change (&heard, "true"); /* the set-up's own events */
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    unsigned took;

    g_test_message ("%s", rows[i].why);
    took = change_within (
        &heard, rows[i].command, rows[i].n_link + rows[i].n_route > 0 ? PATIENCE_MS : QUIET_MS);
    g_assert_cmpuint (heard.n_link, ==, rows[i].n_link);
    g_assert_cmpuint (heard.n_route, ==, rows[i].n_route);
    g_assert_cmpuint (heard.n_gone, ==, 0);
    if (rows[i].n_link + rows[i].n_route > 0)
      g_assert_cmpuint (took, >, AT_ONCE_MS);
  }
}

static void
test_tun_gone (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);
  g_autoptr (FzTun) next = NULL;
  Heard heard;

  watch (platform, tun, &heard);
  change_within (&heard, "ip link delete " TUN, AT_ONCE_MS); /* not after the debounce */
  g_assert_cmpuint (heard.n_gone, ==, 1);
  change (&heard, "ip link add " TUN " type veth peer name veth9; ip link delete " TUN);
  g_assert_cmpuint (heard.n_gone, ==, 0); /* told once */

  g_clear_pointer (&tun, fz_tun_close);
  next = bed_open_tun (platform, true);
  watch (platform, next, &heard);
  change (&heard, "ip link delete " TUN);
  g_assert_cmpuint (heard.n_gone, ==, 1);
}

static void
test_closing_is_no_loss (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, true);
  Heard heard;

  watch (platform, tun, &heard);
  fz_tun_close (tun);
  change (&heard, "true");
  g_assert_cmpuint (heard.n_gone, ==, 0);
}

static void
test_second_watch_replaces (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);
  Heard first = { 0 }, second;

  watch (platform, tun, &first);
  watch (platform, tun, &second);
  add_link ();
  change (&second, "ip addr add 192.168.8.1/24 dev veth0");
  g_assert_cmpuint (second.n_link, ==, 1);
  g_assert_cmpuint (first.n_link, ==, 0);
}

/* More events than the socket holds, with the device's end among them. */
static void
test_flood (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);
  Heard heard;

  watch (platform, tun, &heard);
  change (
      &heard,
      "ip link add veth5 type veth peer name veth6; ip link set veth5 up; ip link set veth6 up;"
      "for i in $(seq 0 15); do for j in $(seq 0 249); do echo route add 10.$i.$j.0/24 dev veth5;"
      "done; done | ip -batch -; ip link delete " TUN);
  g_assert_cmpuint (heard.n_gone, ==, 1);
}

static void
test_freed_while_pending (void)
{
  FzPlatform *platform = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, true);
  Heard heard = { 0 };
  bool is_over = false;

  watch (platform, tun, &heard);
  add_link ();
  bed_wait (&is_over, 50); /* the timer runs */
  fz_platform_free (platform);
  bed_wait (&is_over, 700);
  g_assert_cmpuint (heard.n_link, ==, 0);
  fz_tun_close (tun);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!bed_init ()) {
    g_print ("1..0 # SKIP network namespaces are not allowed here\n");
    return g_getenv ("CI") != NULL ? 1 : 0;
  }
  bed_add ("/platform/linux/monitor/changes", test_changes);
  bed_add ("/platform/linux/monitor/tun-gone", test_tun_gone);
  bed_add ("/platform/linux/monitor/closing-is-no-loss", test_closing_is_no_loss);
  bed_add ("/platform/linux/monitor/second-watch-replaces", test_second_watch_replaces);
  bed_add ("/platform/linux/monitor/flood", test_flood);
  bed_add ("/platform/linux/monitor/freed-while-pending", test_freed_while_pending);
  return g_test_run ();
}

/* test-fake.c: the platform that tests of other layers stand on */

#include "platform/fake/fz-platform-fake.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const FzLog silent = { NULL, "test" };

static FzTun *
open_tun (FzPlatform *platform, unsigned n_queues)
{
  g_autoptr (GError) error = NULL;
  FzTun *tun = fz_platform_open_tun (platform, FZ_TUN_NAME, n_queues, true, &error);

  g_assert_no_error (error);
  g_assert_nonnull (tun);
  return tun;
}

static void
test_state (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (GError) error = NULL;
  const FzIp ipv4 = test_ip ("100.64.0.1"), ipv6 = test_ip ("fd00:2021:1111::1");
  const FzIpNetwork routes[] = { test_network ("10.0.0.0/8"), test_network ("::/0") };
  size_t n;

  g_assert_false (fz_platform_fake_has_tun (platform));
  g_assert_null (fz_platform_fake_get_tun_name (platform));
  g_assert_null (fz_platform_fake_get_address (platform, FZ_IP_V4));
  g_assert_cmpint (fz_platform_fake_get_kernel_fd (platform, 0), ==, -1);
  g_assert_true (fz_platform_check_rights (platform, &error));
  g_assert_true (fz_platform_clean_up (platform, &error));
  {
    g_autoptr (FzTun) tun = open_tun (platform, 1);

    g_assert_true (fz_platform_fake_has_tun (platform));
    g_assert_false (fz_platform_fake_is_up (platform));
    g_assert_cmpstr (fz_platform_fake_get_tun_name (platform), ==, FZ_TUN_NAME);
    g_assert_true (fz_platform_set_addresses (platform, tun, &ipv4, &ipv6, &error));
    g_assert_true (fz_platform_fake_is_up (platform));
    g_assert_true (fz_ip_equal (fz_platform_fake_get_address (platform, FZ_IP_V4), &ipv4));
    g_assert_true (fz_ip_equal (fz_platform_fake_get_address (platform, FZ_IP_V6), &ipv6));

    g_assert_true (fz_platform_set_routes (platform, tun, routes, 2, true, &error));
    g_assert_true (fz_platform_fake_has_route (platform, "10.0.0.0/8"));
    g_assert_true (fz_platform_fake_has_route (platform, "::/0"));
    g_assert_true (fz_platform_fake_has_rules (platform));
    g_assert_true (fz_platform_set_routes (platform, tun, routes + 1, 1, false, &error));
    g_assert_false (fz_platform_fake_has_route (platform, "10.0.0.0/8"));
    g_assert_false (fz_platform_fake_has_rules (platform));
    fz_platform_fake_get_routes (platform, &n);
    g_assert_cmpuint (n, ==, 1);

    g_assert_true (fz_platform_add_masquerade (platform, tun, &error));
    g_assert_true (fz_platform_fake_has_masquerade (platform));
    g_assert_true (fz_platform_remove_masquerade (platform, &error));
    g_assert_false (fz_platform_fake_has_masquerade (platform));
  }
  g_assert_false (fz_platform_fake_has_tun (platform));
  fz_platform_fake_get_routes (platform, &n);
  g_assert_cmpuint (n, ==, 0);
}

static void
test_calls_are_counted (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autofree char *calls = NULL;

  g_assert_cmpuint (fz_platform_fake_count_all (platform), ==, 0);
  fz_platform_check_rights (platform, NULL);
  fz_platform_clean_up (platform, NULL);
  fz_tun_close (open_tun (platform, 1));
  fz_platform_clean_up (platform, NULL);
  g_assert_cmpuint (fz_platform_fake_count (platform, FZ_FAKE_CLEAN_UP), ==, 2);
  g_assert_cmpuint (fz_platform_fake_count_all (platform), ==, 4);
  calls = fz_platform_fake_dup_calls (platform);
  g_assert_cmpstr (calls, ==, "check-rights clean-up open-tun clean-up");
}

static void
on_change (FzNetworkChange change, gpointer user_data)
{
  g_array_append_val (user_data, change);
}

/* Every call of a typical start, in order; false at the first that fails. */
static bool
start (FzPlatform *platform, GArray *changes, FzTun **out, GError **error)
{
  const FzIp ipv4 = test_ip ("100.64.0.1");
  const FzIpNetwork route = test_network ("10.0.0.0/8");
  g_autoptr (FzTun) tun = NULL;

  if (!fz_platform_check_rights (platform, error) || !fz_platform_clean_up (platform, error))
    return false;
  tun = fz_platform_open_tun (platform, FZ_TUN_NAME, 1, true, error);
  if (tun == NULL || !fz_platform_set_addresses (platform, tun, &ipv4, NULL, error) ||
      !fz_platform_set_routes (platform, tun, &route, 1, true, error) ||
      !fz_platform_add_masquerade (platform, tun, error) ||
      !fz_platform_watch_network (platform, tun, on_change, changes, error) ||
      !fz_platform_remove_masquerade (platform, error))
    return false;
  *out = g_steal_pointer (&tun);
  return true;
}

/* The n-th call fails, whichever it is, and changes nothing; the next start is well again. */
static void
test_fail_at (void)
{
  for (unsigned n = 1; n <= FZ_N_FAKE_CALLS + 1; n++) {
    g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
    g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (FzNetworkChange));
    g_autoptr (GError) error = NULL;
    g_autoptr (FzTun) tun = NULL;
    bool is_to_fail = n <= FZ_N_FAKE_CALLS;

    fz_platform_fake_fail_at (platform, n, FZ_PLATFORM_ERROR_BUSY);
    g_assert_true (start (platform, changes, &tun, &error) != is_to_fail);
    if (is_to_fail)
      g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_BUSY);
    g_assert_cmpuint (fz_platform_fake_count_all (platform), ==, MIN (n, FZ_N_FAKE_CALLS));
    g_clear_error (&error);
    g_clear_pointer (&tun, fz_tun_close);

    fz_platform_fake_fail_at (platform, 3, FZ_PLATFORM_ERROR_BUSY);
    fz_platform_fake_fail_at (platform, 0, FZ_PLATFORM_ERROR_BUSY);
    g_assert_true (start (platform, changes, &tun, &error));
    g_assert_no_error (error);
  }
}

static void
test_failed_call_changes_nothing (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = open_tun (platform, 1);
  g_autoptr (GError) error = NULL;
  const FzIp ipv4 = test_ip ("100.64.0.1");

  fz_platform_fake_fail_at (platform, 1, FZ_PLATFORM_ERROR_FAILED);
  g_assert_false (fz_platform_set_addresses (platform, tun, &ipv4, NULL, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_FAILED);
  g_assert_null (fz_platform_fake_get_address (platform, FZ_IP_V4));
  g_assert_false (fz_platform_fake_is_up (platform));
}

static void
test_names (void)
{
  static const char *const bad[] = {
    "", ".", "..", "a/b", "a b", "a:b", "tun%d", "sixteen-letters!", "a\n",
  };
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = NULL;

  for (size_t i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("\"%s\"", bad[i]);
    g_assert_null (fz_platform_open_tun (platform, bad[i], 1, true, &error));
    g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_FAILED);
  }
  g_assert_cmpuint (fz_platform_fake_count_all (platform), ==, 0);
  tun = fz_platform_open_tun (platform, "fifteen-letters", 1, true, NULL);
  g_assert_nonnull (tun);
}

static void
test_busy (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = open_tun (platform, 1);
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_platform_open_tun (platform, FZ_TUN_NAME, 1, true, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_BUSY);
  g_clear_pointer (&tun, fz_tun_close);
  tun = open_tun (platform, 1);
}

static void
test_queues (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = open_tun (platform, 8);
  const FzTunQueue *queues;
  size_t n;

  queues = fz_tun_get_queues (tun, &n);
  g_assert_cmpuint (n, ==, 8);
  g_assert_cmpuint (fz_tun_get_features (tun)->n_queues, ==, 8);
  g_assert_true (fz_tun_get_features (tun)->uso);
  for (unsigned i = 0; i < 8; i++) {
    int kernel_fd = fz_platform_fake_get_kernel_fd (platform, i);
    char buffer[100];

    g_assert_true (queues[i].has_vnet);
    g_assert_cmpint (read (queues[i].fd, buffer, sizeof buffer), ==, -1); /* non-blocking */
    g_assert_cmpint (write (kernel_fd, "first", 5), ==, 5);
    g_assert_cmpint (write (kernel_fd, "second", 6), ==, 6);
    g_assert_cmpint (read (queues[i].fd, buffer, sizeof buffer), ==, 5); /* packets stay apart */
    g_assert_cmpint (read (queues[i].fd, buffer, sizeof buffer), ==, 6);
    g_assert_cmpint (write (queues[i].fd, "answer", 6), ==, 6);
    g_assert_cmpint (read (kernel_fd, buffer, sizeof buffer), ==, 6);
    g_assert_cmpmem (buffer, 6, "answer", 6);
  }
  g_assert_cmpint (fz_platform_fake_get_kernel_fd (platform, 8), ==, -1);
}

static void
test_no_offloads (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = fz_platform_open_tun (platform, "plain", 1, false, NULL);
  const FzTunFeatures *features = fz_tun_get_features (tun);
  size_t n;

  g_assert_false (features->vnet_header || features->checksum || features->tso || features->uso);
  g_assert_false (fz_tun_get_queues (tun, &n)->has_vnet);
}

static void
test_missing_family (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = open_tun (platform, 1);
  g_autoptr (GError) error = NULL;
  const FzIp ipv4 = test_ip ("100.64.0.1"), ipv6 = test_ip ("fd00:2021:1111::1");
  const FzIpNetwork routes[] = { test_network ("10.0.0.0/8"), test_network ("fd00::/8") };

  fz_platform_fake_set_family (platform, FZ_IP_V6, false);
  g_assert_true (fz_platform_set_addresses (platform, tun, &ipv4, &ipv6, &error));
  g_assert_null (fz_platform_fake_get_address (platform, FZ_IP_V6));
  g_assert_true (fz_platform_set_routes (platform, tun, routes, 2, true, &error));
  g_assert_false (fz_platform_fake_has_route (platform, "fd00::/8"));
  g_assert_true (fz_platform_fake_has_route (platform, "10.0.0.0/8"));
  g_assert_false (fz_platform_set_addresses (platform, tun, NULL, &ipv6, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_UNSUPPORTED);
}

static void
test_network_changes (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = open_tun (platform, 1);
  g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (FzNetworkChange));

  g_assert_false (fz_platform_fake_change_network (platform, FZ_NETWORK_CHANGE_LINK));
  g_assert_true (fz_platform_watch_network (platform, tun, on_change, changes, NULL));
  g_assert_true (fz_platform_fake_is_watched (platform));
  g_assert_true (fz_platform_fake_change_network (platform, FZ_NETWORK_CHANGE_ROUTE));
  g_assert_cmpuint (changes->len, ==, 1);
  g_assert_cmpint (g_array_index (changes, FzNetworkChange, 0), ==, FZ_NETWORK_CHANGE_ROUTE);
}

static void
test_delete_tun (void)
{
  g_autoptr (FzPlatform) platform = fz_platform_fake_new (&silent);
  g_autoptr (FzTun) tun = open_tun (platform, 2);
  g_autoptr (FzTun) second = NULL;
  g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (FzNetworkChange));
  g_autoptr (GError) error = NULL;
  const FzIp ipv4 = test_ip ("100.64.0.1");
  char buffer[10];
  size_t n;
  int fd = fz_tun_get_queues (tun, &n)[1].fd;

  signal (SIGPIPE, SIG_IGN);
  g_assert_true (fz_platform_watch_network (platform, tun, on_change, changes, NULL));
  fz_platform_fake_delete_tun (platform);
  g_assert_cmpuint (changes->len, ==, 1);
  g_assert_cmpint (g_array_index (changes, FzNetworkChange, 0), ==, FZ_NETWORK_CHANGE_TUN_GONE);
  g_assert_false (fz_platform_fake_has_tun (platform));
  g_assert_cmpint (read (fd, buffer, sizeof buffer), ==, 0);
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  g_assert_false (fz_platform_set_addresses (platform, tun, &ipv4, NULL, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_GONE);

  second = open_tun (platform, 1); /* before the old one is closed */
  g_assert_true (fz_platform_fake_has_tun (platform));
}

static void
test_platform_freed_first (void)
{
  FzPlatform *platform = fz_platform_fake_new (&silent);
  FzTun *tun = open_tun (platform, 1);

  fz_platform_free (platform);
  fz_tun_close (tun);
  fz_platform_free (NULL);
  fz_tun_close (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/platform/fake/state", test_state);
  g_test_add_func ("/platform/fake/calls-are-counted", test_calls_are_counted);
  g_test_add_func ("/platform/fake/fail-at", test_fail_at);
  g_test_add_func ("/platform/fake/failed-call-changes-nothing", test_failed_call_changes_nothing);
  g_test_add_func ("/platform/fake/names", test_names);
  g_test_add_func ("/platform/fake/busy", test_busy);
  g_test_add_func ("/platform/fake/queues", test_queues);
  g_test_add_func ("/platform/fake/no-offloads", test_no_offloads);
  g_test_add_func ("/platform/fake/missing-family", test_missing_family);
  g_test_add_func ("/platform/fake/network-changes", test_network_changes);
  g_test_add_func ("/platform/fake/delete-tun", test_delete_tun);
  g_test_add_func ("/platform/fake/platform-freed-first", test_platform_freed_first);
  return g_test_run ();
}

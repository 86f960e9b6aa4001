/* test-linux.c: devices, addresses, routes and rules of the real platform */

#include "tests/unit/platform/netns-bed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TUN  FZ_TUN_NAME
#define IPV4 "100.64.0.7"
#define IPV6 "fd00:2021:1111::7"

static void
set_addresses (FzPlatform *platform, FzTun *tun, const char *ipv4, const char *ipv6)
{
  FzIp v4 = test_ip (ipv4 != NULL ? ipv4 : "0.0.0.0"), v6 = test_ip (ipv6 != NULL ? ipv6 : "::");
  g_autoptr (GError) error = NULL;
  bool is_done = fz_platform_set_addresses (
      platform, tun, ipv4 != NULL ? &v4 : NULL, ipv6 != NULL ? &v6 : NULL, &error);

  g_assert_no_error (error);
  g_assert_true (is_done);
}

/* @list: networks with spaces between */
static void
set_routes (FzPlatform *platform, FzTun *tun, const char *list, bool use_rules)
{
  g_auto (GStrv) texts = g_strsplit (list, " ", -1);
  g_autoptr (GArray) routes = g_array_new (FALSE, FALSE, sizeof (FzIpNetwork));
  g_autoptr (GError) error = NULL;
  bool is_done;

  for (char **text = texts; *text != NULL && **text != '\0'; text++) {
    FzIpNetwork network = test_network (*text);

    g_array_append_val (routes, network);
  }
  is_done = fz_platform_set_routes (
      platform, tun, (const FzIpNetwork *) (void *) routes->data, routes->len, use_rules, &error);
  g_assert_no_error (error);
  g_assert_true (is_done);
}

static void
clean_up (FzPlatform *platform)
{
  g_autoptr (GError) error = NULL;
  bool is_done = fz_platform_clean_up (platform, &error);

  g_assert_no_error (error);
  g_assert_true (is_done);
}

/* -- devices -- */

/* What ioctl says of the device: its flags and, where it can be told, its offloads. */
static void
test_tun_steps (void)
{
  for (unsigned step = 0; step < FZ_N_TUN_STEPS; step++) {
    g_autoptr (FzPlatform) platform = bed_platform_new ();
    g_autoptr (GError) error = NULL;
    FzTun *tun = fz_linux_open_tun_at (platform, TUN, 1, (FzTunStep) step, &error);
    struct ifreq request = { 0 };
    size_t n;

    g_assert_no_error (error);
    g_assert_nonnull (tun);
    g_assert_true (tun->features.vnet_header == (step <= FZ_TUN_STEP_VNET));
    g_assert_true (tun->features.checksum == (step <= FZ_TUN_STEP_CHECKSUM));
    g_assert_true (tun->features.tso == (step <= FZ_TUN_STEP_TSO_NO_ECN));
    g_assert_true (tun->features.tso_ecn == (step <= FZ_TUN_STEP_TSO));
    if (step != FZ_TUN_STEP_USO) /* kernels before 6.2 have no USO */
      g_assert_false (tun->features.uso);
    g_assert_true (fz_tun_get_queues (tun, &n)->has_vnet == tun->features.vnet_header);
    g_assert_cmpuint (n, ==, 1);

    g_assert_cmpint (ioctl (tun->queues[0].fd, TUNGETIFF, &request), ==, 0);
    g_assert_true (((request.ifr_flags & IFF_VNET_HDR) != 0) == tun->features.vnet_header);
    g_assert_cmpint (request.ifr_flags & (IFF_TUN | IFF_NO_PI), ==, IFF_TUN | IFF_NO_PI);
    g_assert_cmpint (request.ifr_flags & IFF_MULTI_QUEUE, ==, 0);
    fz_linux_close_tun (tun);
  }
}

/* A datagram that the kernel routes into the device comes out whole, at the highest step and at
 * the lowest. */
static void
test_tun_reads_packets (void)
{
  for (int use_offloads = 0; use_offloads < 2; use_offloads++) {
    g_autoptr (FzPlatform) platform = bed_platform_new ();
    g_autoptr (FzTun) tun = fz_platform_open_tun (platform, TUN, 1, use_offloads, NULL);
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons (9),
                                    .sin_addr.s_addr = inet_addr ("100.64.0.9") };
    size_t offset = use_offloads ? 10 : 0, n;
    uint8_t packet[2000];
    int socket_fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_assert_nonnull (tun);
    set_addresses (platform, tun, IPV4, NULL);
    set_routes (platform, tun, "100.64.0.0/11", false);
    g_assert_cmpint (
        sendto (socket_fd, "hello", 5, 0, (const struct sockaddr *) &to, sizeof to), ==, 5);
    g_assert_cmpint (
        read (fz_tun_get_queues (tun, &n)->fd, packet, sizeof packet), ==, offset + 20 + 8 + 5);
    g_assert_cmphex (packet[offset], ==, 0x45);
    g_assert_cmpmem (packet + offset + 28, 5, "hello", 5);
    g_assert_cmpint (read (fz_tun_get_queues (tun, &n)->fd, packet, sizeof packet), ==, -1);
    g_assert_cmpint (errno, ==, EAGAIN);
    close (socket_fd);
  }
}

static void
test_tun_link (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);

  bed_assert_has ("ip link show " TUN, "mtu 1280");
  bed_assert_has ("ip link show " TUN, "qlen 4096");
  bed_assert_has ("ip link show " TUN, "state DOWN");
  set_addresses (platform, tun, IPV4, IPV6);
  bed_assert_has ("ip link show " TUN, ",UP");
  bed_assert_lacks ("ip -6 addr show dev " TUN, "fe80");
  g_clear_pointer (&tun, fz_tun_close);
  bed_assert_lacks ("ip link", TUN);
}

static void
test_tun_queues (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();

  for (unsigned n_queues = 2; n_queues <= 8; n_queues += 3) {
    g_autoptr (FzTun) tun = fz_platform_open_tun (platform, TUN, n_queues, true, NULL);
    size_t n;
    const FzTunQueue *queues = fz_tun_get_queues (tun, &n);

    g_assert_cmpuint (n, ==, n_queues);
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < i; j++)
        g_assert_cmpint (queues[i].fd, !=, queues[j].fd);
  }
}

#define N_FLOWS 48u

typedef struct {
  uint8_t vnet[10];
  uint8_t ip[20];
  uint8_t udp[8];
} Answer;

static uint16_t
ip_checksum (const uint8_t *header)
{
  uint32_t sum = 0;

  for (unsigned i = 0; i < 20; i += 2)
    sum += (uint32_t) header[i] << 8 | header[i + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

/* An empty datagram from 100.64.0.9 that answers one of @port. */
static Answer
make_answer (uint16_t port)
{
  Answer answer = {
    .ip = { 0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17 },
    .udp = { 0, 9, (uint8_t) (port >> 8), (uint8_t) port, 0, 8 },
  };
  const in_addr_t from = inet_addr ("100.64.0.9"), to = inet_addr (IPV4);
  uint16_t checksum;

  memcpy (answer.ip + 12, &from, 4);
  memcpy (answer.ip + 16, &to, 4);
  checksum = ip_checksum (answer.ip);
  answer.ip[10] = (uint8_t) (checksum >> 8);
  answer.ip[11] = (uint8_t) checksum;
  return answer;
}

/* On which queue a datagram of the socket comes out. */
static size_t
find_queue (int socket_fd, const FzTunQueue *queues, size_t n_queues)
{
  uint8_t packet[2000];

  g_assert_cmpint (send (socket_fd, "x", 1, 0), ==, 1);
  for (size_t i = 0; i < n_queues; i++)
    if (read (queues[i].fd, packet, sizeof packet) == 10 + 20 + 8 + 1)
      return i;
  g_assert_not_reached ();
}

/* Flows spread over the queues, and each stays on its own whatever is written where. */
static void
test_tun_flows_stay (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = fz_platform_open_tun (platform, TUN, 4, true, NULL);
  const struct sockaddr_in to = { .sin_family = AF_INET,
                                  .sin_port = htons (9),
                                  .sin_addr.s_addr = inet_addr ("100.64.0.9") };
  unsigned n_on_queue[4] = { 0 };
  const FzTunQueue *queues;
  size_t n_queues;

  g_assert_nonnull (tun);
  queues = fz_tun_get_queues (tun, &n_queues);
  set_addresses (platform, tun, IPV4, NULL);
  set_routes (platform, tun, "100.64.0.0/11", false);
  for (unsigned i = 0; i < N_FLOWS; i++) {
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    Answer answer;
    size_t queue;
    char byte;

    g_assert_cmpint (connect (fd, (const struct sockaddr *) &to, sizeof to), ==, 0);
    g_assert_cmpint (getsockname (fd, (struct sockaddr *) &own, &length), ==, 0);
    answer = make_answer (ntohs (own.sin_port));
    queue = find_queue (fd, queues, n_queues);
    n_on_queue[queue]++;
    for (size_t j = 0; j < n_queues; j++) {
      g_assert_cmpint (queues[j].write_fd, !=, queues[j].fd);
      g_assert_cmpint (write (queues[j].write_fd, &answer, sizeof answer), ==, (int) sizeof answer);
      g_assert_cmpint (recv (fd, &byte, 1, 0), ==, 0);
      g_assert_cmpuint (find_queue (fd, queues, n_queues), ==, queue);
    }
    close (fd);
  }
  for (unsigned i = 0; i < 4; i++)
    g_assert_cmpuint (n_on_queue[i], >, 0); /* all 48 miss one of four once in 250,000 runs */
}

static void
test_tun_busy (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzPlatform) other = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, true);
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_platform_open_tun (other, TUN, 1, true, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, TUN));
  g_clear_error (&error);
  g_assert_null (fz_platform_open_tun (other, "lo", 1, true, &error)); /* no TUN at all */
  g_assert_nonnull (error);
  fz_tun_close (tun);
}

static void
test_tun_fifty_times (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();

  for (int i = 0; i < 50; i++) {
    FzTun *tun = bed_open_tun (platform, true);

    set_addresses (platform, tun, IPV4, IPV6);
    fz_tun_close (tun);
  }
}

static void
test_tun_names (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_platform_open_tun (platform, "sixteen-letters!", 1, true, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "at most 15"));
  tun = fz_platform_open_tun (platform, "fifteen-letters", 1, true, NULL);
  g_assert_nonnull (tun);
  bed_assert_has ("ip link", "fifteen-letters");
}

static void
test_tun_outlives_platform (void)
{
  FzPlatform *platform = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, true);

  fz_platform_free (platform);
  bed_assert_has ("ip link", TUN);
  fz_tun_close (tun);
  bed_assert_lacks ("ip link", TUN);
}

/* -- addresses -- */

static void
test_addresses_replaced (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);

  set_addresses (platform, tun, IPV4, IPV6);
  bed_assert_has ("ip addr show dev " TUN, "inet " IPV4 "/32");
  bed_assert_has ("ip addr show dev " TUN, "inet6 " IPV6 "/128");
  g_free (bed_run ("ip addr add 192.0.2.1/24 dev " TUN "; ip link set " TUN " mtu 1400"));
  set_addresses (platform, tun, IPV4, IPV6); /* again: the foreign one goes, ours stay */
  bed_assert_has ("ip addr show dev " TUN, "inet " IPV4 "/32");
  bed_assert_has ("ip addr show dev " TUN, "inet6 " IPV6 "/128");
  bed_assert_has ("ip addr show dev " TUN, "mtu 1280");
  bed_assert_lacks ("ip addr show dev " TUN, "192.0.2.1");

  set_addresses (platform, tun, "100.64.0.8", NULL);
  bed_assert_has ("ip addr show dev " TUN, "inet 100.64.0.8/32");
  bed_assert_lacks ("ip addr show dev " TUN, IPV4);
  bed_assert_lacks ("ip addr show dev " TUN, "inet6");
  bed_assert_has ("ip addr show dev lo", "127.0.0.1"); /* others keep theirs */
}

static void
test_addresses_without_ipv6 (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (GError) error = NULL;
  FzTun *tun;
  FzIp ipv6 = test_ip (IPV6);

  g_free (bed_run ("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6;"
                   "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"));
  tun = bed_open_tun (platform, true);
  set_addresses (platform, tun, IPV4, IPV6);
  set_addresses (platform, tun, IPV4, IPV6);
  set_routes (platform, tun, "10.0.0.0/8 fd00:1::/32 ::/0", true);
  bed_assert_has ("ip addr show dev " TUN, IPV4);
  bed_assert_has ("ip route show table 0x2021fd00", "10.0.0.0/8");
  g_assert_cmpuint (bed_count_logged ("address-family-missing"), ==, 1);

  g_assert_false (fz_platform_set_addresses (platform, tun, NULL, &ipv6, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_UNSUPPORTED);
  fz_tun_close (tun);
}

static void
test_addresses_of_a_deleted_device (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);
  g_autoptr (GError) error = NULL;
  FzIp ipv4 = test_ip (IPV4);
  FzIpNetwork route = test_network ("10.0.0.0/8");

  g_free (bed_run ("ip link delete " TUN));
  g_assert_false (fz_platform_set_addresses (platform, tun, &ipv4, NULL, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_GONE);
  g_assert_nonnull (strstr (error->message, TUN));
  g_clear_error (&error);
  g_assert_false (fz_platform_set_routes (platform, tun, &route, 1, true, &error));
  g_assert_error (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_GONE);
}

/* -- routes and rules -- */

#define RESOURCES "ip route show table 0x2021fd00"
#define DEFAULTS  "ip route show table 0x2021fd02"

static void
test_routes_of_a_client (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);

  set_addresses (platform, tun, IPV4, IPV6);
  set_routes (platform, tun, "10.0.0.0/8 192.0.2.7/32 0.0.0.0/0 fd00:1::/32 ::/0", true);
  bed_assert_has (RESOURCES, "10.0.0.0/8 dev " TUN " proto static");
  bed_assert_has (RESOURCES, "192.0.2.7 dev " TUN);
  bed_assert_lacks (RESOURCES, "default");
  bed_assert_has (DEFAULTS, "default dev " TUN);
  bed_assert_has ("ip -6 route show table 0x2021fd00", "fd00:1::/32 dev " TUN);
  bed_assert_has ("ip -6 route show table 0x2021fd02", "default dev " TUN);
  bed_assert_lacks ("ip route show table main", TUN);

  set_routes (platform, tun, "10.0.0.0/8 172.16.0.0/12", true); /* replaces */
  bed_assert_has (RESOURCES, "10.0.0.0/8");
  bed_assert_has (RESOURCES, "172.16.0.0/12");
  bed_assert_lacks (RESOURCES, "192.0.2.7");
  bed_assert_lacks ("ip -6 route show table all", "fd00:1::/32");
  bed_assert_lacks ("ip route show table all", "default");

  g_free (bed_run ("ip route add 198.51.100.0/24 dev lo table 0x2021fd00")); /* not ours: goes */
  set_routes (platform, tun, "", true);
  bed_assert_lacks ("ip route show table all", "10.0.0.0/8");
  bed_assert_lacks ("ip route show table all", "198.51.100.0/24");
}

static void
test_rules (void)
{
  static const char *const commands[] = { "ip -d -4 rule", "ip -d -6 rule" };
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);

  set_addresses (platform, tun, IPV4, IPV6);
  for (int i = 0; i < 2; i++) /* the second time they are there already */
    set_routes (platform, tun, "10.0.0.0/8", true);
  for (size_t i = 0; i < G_N_ELEMENTS (commands); i++) {
    bed_assert_has (commands[i],
                    "100:\tnot from all fwmark 0xfd002021 lookup 539098368 proto kernel");
    bed_assert_has (commands[i],
                    "200:\tnot from all fwmark 0xfd002021 lookup 539098369 proto kernel");
    bed_assert_has (commands[i],
                    "300:\tnot from all fwmark 0xfd002021 lookup 539098370 proto kernel");
  }
  bed_assert_has ("ip -4 rule | grep -c fwmark", "3\n");
  bed_assert_has ("ip -6 rule | grep -c fwmark", "3\n");
  /* unmarked packets go into the tunnel, ours do not */
  bed_assert_has ("ip route get 10.1.2.3", "dev " TUN);
  bed_assert_lacks ("ip route get 10.1.2.3 mark 0xfd002021 2>&1; true", TUN);

  set_routes (platform, tun, "10.0.0.0/8", false); /* thought better of it */
  bed_assert_lacks ("ip rule", "fwmark");
  bed_assert_has ("ip route show table main", "10.0.0.0/8 dev " TUN);
  bed_assert_lacks (RESOURCES " 2>&1; true", "10.0.0.0/8");
}

static void
test_routes_of_a_gateway (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);

  g_free (bed_run ("ip link add veth0 type veth peer name veth1; ip link set veth0 up;"
                   "ip link set veth1 up; ip addr add 192.168.7.1/24 dev veth0;"
                   "ip route add 10.9.0.0/16 via 192.168.7.2 proto static"));
  set_addresses (platform, tun, IPV4, IPV6);
  for (int i = 0; i < 2; i++)
    set_routes (platform, tun, "100.64.0.0/11 fd00:2021:1111::/107", false);
  bed_assert_has ("ip route show table main", "100.64.0.0/11 dev " TUN);
  bed_assert_has ("ip -6 route show table main", "fd00:2021:1111::/107 dev " TUN);
  bed_assert_lacks ("ip rule", "fwmark");

  set_routes (platform, tun, "100.64.0.0/11", false);
  bed_assert_lacks ("ip -6 route show table main", "fd00:2021:1111::/107");
  bed_assert_has ("ip route show table main", "10.9.0.0/16 via 192.168.7.2"); /* the system's own */
  bed_assert_has ("ip route show table main", "192.168.7.0/24 dev veth0");
}

#define LINK_SCOPE   "ip route show table 0x2021fd01 2>&1; true"
#define LINK_SCOPE_6 "ip -6 route show table 0x2021fd01 2>&1; true"

static bool
never (void)
{
  return false;
}

static void
test_link_scope (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, true);
  bool is_over = never ();

  g_free (bed_run ("ip link add veth0 type veth peer name veth1; ip link set veth0 up;"
                   "ip link set veth1 up; ip addr add 192.168.7.1/24 dev veth0;"
                   "ip addr add 2001:db8:7::1/64 dev veth0 nodad;"
                   "ip route add 10.9.0.0/16 via 192.168.7.2"));
  set_addresses (platform, tun, IPV4, IPV6);
  set_routes (platform, tun, "0.0.0.0/0 ::/0", true);
  bed_assert_has (LINK_SCOPE, "192.168.7.0/24 dev veth0");
  bed_assert_has (LINK_SCOPE, "src 192.168.7.1");
  bed_assert_lacks (LINK_SCOPE, "10.9.0.0/16"); /* has a gateway */
  bed_assert_lacks (LINK_SCOPE, TUN);
  bed_assert_has (LINK_SCOPE_6, "2001:db8:7::/64 dev veth0");
  bed_assert_lacks (LINK_SCOPE_6, "fe80");
  bed_assert_has ("ip route get 192.168.7.9", "dev veth0");
  bed_assert_has ("ip route get 192.0.2.1", "dev " TUN);

  /* follows the main table, whether anybody watches or not */
  g_free (bed_run ("ip addr add 192.168.8.1/24 dev veth0; ip addr del 192.168.7.1/24 dev veth0"));
  bed_wait (&is_over, 900);
  bed_assert_has (LINK_SCOPE, "192.168.8.0/24 dev veth0");
  bed_assert_lacks (LINK_SCOPE, "192.168.7.0/24");
  g_free (bed_run ("ip link set veth1 down")); /* no carrier: not up any more */
  bed_wait (&is_over, 900);
  bed_assert_lacks (LINK_SCOPE, "192.168.8.0/24");
  g_assert_cmpuint (bed_count_logged ("link-scope-sync"), ==, 0);
}

/* -- what an earlier process has left -- */

static bool
start_and_be_killed (void)
{
  FzPlatform *platform = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, true);

  set_addresses (platform, tun, IPV4, IPV6);
  set_routes (platform, tun, "10.0.0.0/8 0.0.0.0/0 fd00:1::/32 ::/0", true);
  g_assert_true (fz_platform_add_masquerade (platform, tun, NULL));
  kill (getpid (), SIGKILL);
  return true;
}

static void
test_clean_up_after_kill (void)
{
  g_autoptr (FzPlatform) platform = NULL;

  g_assert_false (bed_fork (start_and_be_killed));
  bed_assert_lacks ("ip link", TUN);
  bed_assert_has ("ip rule", "fwmark 0xfd002021");
  bed_assert_has ("nft list ruleset", "table inet firezone");
  /* a rule twice, and routes over a device that is still there */
  g_free (bed_run (
      "ip link add veth0 type veth peer name veth1; ip link set veth0 up;"
      "ip link set veth1 up;"
      "ip route add 10.0.0.0/8 dev veth0 table 0x2021fd00;"
      "ip route add default dev veth0 table 0x2021fd02;"
      "ip route add blackhole 10.1.0.0/16 table 0x2021fd01;"
      "ip -6 route add 2001:db8::/32 dev veth0 table 0x2021fd01;"
      "ip route add 10.2.0.0/16 dev veth0 table 77; ip rule add fwmark 5 lookup 77 priority 100"));

  platform = bed_platform_new ();
  for (int i = 0; i < 2; i++) { /* the second time nothing is there */
    clean_up (platform);
    bed_assert_lacks ("ip rule", "0xfd002021");
    bed_assert_lacks ("ip -6 rule", "0xfd002021");
    bed_assert_lacks ("nft list ruleset", "firezone");
    bed_assert_lacks ("ip route show table all", "10.0.0.0/8");
    bed_assert_lacks ("ip route show table all", "10.1.0.0/16");
    bed_assert_lacks ("ip route show table all", "default");
    bed_assert_lacks ("ip -6 route show table all", "2001:db8::/32");
    bed_assert_has ("ip rule", "fwmark 0x5 lookup 77"); /* not ours */
    bed_assert_has ("ip route show table 77", "10.2.0.0/16");
  }
  {
    g_autoptr (FzTun) tun = bed_open_tun (platform, true); /* and a start goes well */

    set_addresses (platform, tun, IPV4, IPV6);
    set_routes (platform, tun, "10.0.0.0/8", true);
  }
}

/* -- rights -- */

static bool
drop_rights (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

  return syscall (SYS_capset, &header, none) == 0;
}

static bool
is_refused (bool is_done, GError **error)
{
  bool is_right = !is_done &&
                  g_error_matches (*error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_PERMISSION) &&
                  strstr ((*error)->message, "CAP_NET_ADMIN") != NULL;

  if (!is_right)
    g_printerr ("not refused as it should be: %s\n", *error != NULL ? (*error)->message : "done");
  g_clear_error (error);
  return is_right;
}

static bool
try_without_rights (void)
{
  FzPlatform *platform = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, true);
  const FzIp ipv4 = test_ip (IPV4);
  const FzIpNetwork route = test_network ("10.0.0.0/8");
  GError *error = NULL;

  g_free (bed_run ("ip rule add not fwmark 0xfd002021 lookup 0x2021fd00 priority 100 "
                   "protocol kernel; nft add table inet firezone; "
                   "echo 1 > /proc/sys/net/ipv4/ip_forward; "
                   "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"));
  return drop_rights () && is_refused (fz_platform_check_rights (platform, &error), &error) &&
         is_refused (fz_platform_open_tun (platform, "other", 1, true, &error) != NULL, &error) &&
         is_refused (fz_platform_set_addresses (platform, tun, &ipv4, NULL, &error), &error) &&
         is_refused (fz_platform_set_routes (platform, tun, &route, 1, true, &error), &error) &&
         is_refused (fz_platform_add_masquerade (platform, tun, &error), &error) &&
         is_refused (fz_platform_remove_masquerade (platform, &error), &error) &&
         is_refused (fz_platform_clean_up (platform, &error), &error);
}

static void
test_rights (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (fz_platform_check_rights (platform, &error));
  g_assert_true (bed_fork (try_without_rights));
}

/* CAP_NET_ADMIN is all that is needed: the helper has no other. */
static bool
do_all_with_one_right (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct one[_LINUX_CAPABILITY_U32S_3] = {
    { .effective = 1u << CAP_NET_ADMIN, .permitted = 1u << CAP_NET_ADMIN }
  };
  FzPlatform *platform;
  FzTun *tun;

  if (syscall (SYS_capset, &header, one) != 0)
    return false;
  platform = bed_platform_new ();
  clean_up (platform);
  tun = bed_open_tun (platform, true);
  set_addresses (platform, tun, IPV4, IPV6);
  set_routes (platform, tun, "10.0.0.0/8 ::/0", true);
  if (!fz_platform_check_rights (platform, NULL) ||
      !fz_platform_add_masquerade (platform, tun, NULL) ||
      !fz_platform_remove_masquerade (platform, NULL))
    return false;
  fz_tun_close (tun);
  clean_up (platform);
  return true;
}

static void
test_one_right (void)
{
  g_assert_true (bed_fork (do_all_with_one_right));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!bed_init ()) {
    g_print ("1..0 # SKIP network namespaces are not allowed here\n");
    return g_getenv ("CI") != NULL ? 1 : 0;
  }
  bed_add ("/platform/linux/tun/steps", test_tun_steps);
  bed_add ("/platform/linux/tun/reads-packets", test_tun_reads_packets);
  bed_add ("/platform/linux/tun/link", test_tun_link);
  bed_add ("/platform/linux/tun/queues", test_tun_queues);
  bed_add ("/platform/linux/tun/flows-stay", test_tun_flows_stay);
  bed_add ("/platform/linux/tun/busy", test_tun_busy);
  bed_add ("/platform/linux/tun/fifty-times", test_tun_fifty_times);
  bed_add ("/platform/linux/tun/names", test_tun_names);
  bed_add ("/platform/linux/tun/outlives-platform", test_tun_outlives_platform);
  bed_add ("/platform/linux/addresses/replaced", test_addresses_replaced);
  bed_add ("/platform/linux/addresses/without-ipv6", test_addresses_without_ipv6);
  bed_add ("/platform/linux/addresses/deleted-device", test_addresses_of_a_deleted_device);
  bed_add ("/platform/linux/routes/client", test_routes_of_a_client);
  bed_add ("/platform/linux/routes/rules", test_rules);
  bed_add ("/platform/linux/routes/gateway", test_routes_of_a_gateway);
  bed_add ("/platform/linux/routes/link-scope", test_link_scope);
  bed_add ("/platform/linux/clean-up-after-kill", test_clean_up_after_kill);
  bed_add ("/platform/linux/rights/none", test_rights);
  bed_add ("/platform/linux/rights/one-is-enough", test_one_right);
  return g_test_run ();
}

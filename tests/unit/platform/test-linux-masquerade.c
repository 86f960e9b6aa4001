/* test-linux-masquerade.c: forwarding and source NAT of the gateway, seen by a host outside */

#include "tests/unit/platform/netns-bed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TUN FZ_TUN_NAME

static void
add_masquerade (FzPlatform *platform, FzTun *tun)
{
  g_autoptr (GError) error = NULL;
  bool is_done = fz_platform_add_masquerade (platform, tun, &error);

  g_assert_no_error (error);
  g_assert_true (is_done);
}

static void
remove_masquerade (FzPlatform *platform)
{
  g_autoptr (GError) error = NULL;
  bool is_done = fz_platform_remove_masquerade (platform, &error);

  g_assert_no_error (error);
  g_assert_true (is_done);
}

static void
test_table (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, false);
  g_autofree char *once = NULL, *twice = NULL;

  g_free (bed_run ("nft add table ip other")); /* somebody else's */
  add_masquerade (platform, tun);
  once = bed_run ("nft list table inet firezone");
  g_assert_nonnull (strstr (once, "type nat hook postrouting priority srcnat; policy accept;"));
  g_assert_nonnull (strstr (once, "ip saddr 100.64.0.0/11 oifname != \"" TUN "\" masquerade"));
  g_assert_nonnull (
      strstr (once, "ip6 saddr fd00:2021:1111::/107 oifname != \"" TUN "\" masquerade"));
  bed_assert_has ("cat /proc/sys/net/ipv4/ip_forward", "1");
  bed_assert_has ("cat /proc/sys/net/ipv6/conf/all/forwarding", "1");

  add_masquerade (platform, tun);
  twice = bed_run ("nft list table inet firezone");
  g_assert_cmpstr (twice, ==, once);

  for (int i = 0; i < 2; i++) {
    remove_masquerade (platform);
    bed_assert_lacks ("nft list ruleset", "firezone");
    bed_assert_has ("nft list ruleset", "table ip other");
  }
}

/* -- a host outside, in a namespace of its own -- */

typedef struct {
  pid_t holder; /* keeps the namespace */
  int v4, v6;   /* UDP sockets there, on port 4000 */
} Outside;

static int
open_socket (int family, const void *address, socklen_t size)
{
  int fd = socket (family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int only = 1;

  g_assert_cmpint (fd, >=, 0);
  if (family == AF_INET6)
    g_assert_cmpint (setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only), ==, 0);
  g_assert_cmpint (bind (fd, address, size), ==, 0);
  return fd;
}

static void
enter (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/ns/net", (int) pid);
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (setns (fd, CLONE_NEWNET), ==, 0);
  close (fd);
}

static pid_t
hold_namespace (void)
{
  int ready[2];
  char byte = 0;
  pid_t child;

  g_assert_cmpint (pipe (ready), ==, 0);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL); /* goes with a test that aborts */
    if (unshare (CLONE_NEWNET) != 0 || write (ready[1], "r", 1) != 1)
      _exit (1);
    pause ();
    _exit (0);
  }
  close (ready[1]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);
  return child;
}

static void
outside_open (Outside *self)
{
  const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons (4000) };
  const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons (4000) };
  int here = open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

  self->holder = hold_namespace ();
  g_free (bed_run ("ip link add out type veth peer name in netns %d; ip link set out up;"
                   "ip addr add 10.9.0.1/24 dev out; ip addr add 2001:db8:9::1/64 dev out nodad",
                   (int) self->holder));
  enter (self->holder);
  g_free (bed_run ("ip link set in up; ip link set lo up; ip addr add 10.9.0.2/24 dev in;"
                   "ip addr add 2001:db8:9::2/64 dev in nodad"));
  self->v4 = open_socket (AF_INET, &v4, sizeof v4);
  self->v6 = open_socket (AF_INET6, &v6, sizeof v6);
  g_assert_cmpint (setns (here, CLONE_NEWNET), ==, 0);
  close (here);
}

static void
outside_close (Outside *self)
{
  close (self->v4);
  close (self->v6);
  kill (self->holder, SIGKILL);
  waitpid (self->holder, NULL, 0);
}

/* -- packets as a client sends them -- */

static uint32_t
sum16 (const uint8_t *bytes, size_t n)
{
  uint32_t sum = 0;

  for (size_t i = 0; i < n; i += 2)
    sum += (uint32_t) (bytes[i] << 8 | (i + 1 < n ? bytes[i + 1] : 0));
  return sum;
}

static void
put_sum (uint8_t *at, uint32_t sum)
{
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~((sum & 0xffff) + (sum >> 16));
  at[0] = (uint8_t) (sum >> 8);
  at[1] = (uint8_t) sum;
}

/* "ping" from port 1234 of the tunnel address ….7 to port 4000 outside. */
static void
send_v4 (int fd)
{
  uint8_t packet[32] = {
    0x45, 0, 0, 32, 0,    1,    0x40, 0,    64, 17, 0, 0, 100, 64,  0,   7,
    10,   9, 0, 2,  0x04, 0xd2, 0x0f, 0xa0, 0,  12, 0, 0, 'p', 'i', 'n', 'g',
  };

  put_sum (packet + 10, sum16 (packet, 20));
  g_assert_cmpint (write (fd, packet, sizeof packet), ==, sizeof packet);
}

static void
send_v6 (int fd)
{
  uint8_t packet[52] = { 0x60, 0, 0, 0, 0, 12, 17, 64 };
  const FzIp from = test_ip ("fd00:2021:1111::7"), to = test_ip ("2001:db8:9::2");
  static const uint8_t udp[12] = { 0x04, 0xd2, 0x0f, 0xa0, 0, 12, 0, 0, 'p', 'i', 'n', 'g' };

  memcpy (packet + 8, from.bytes, 16);
  memcpy (packet + 24, to.bytes, 16);
  memcpy (packet + 40, udp, sizeof udp);
  put_sum (packet + 46, sum16 (packet + 8, 44) + 17 + 12);
  g_assert_cmpint (write (fd, packet, sizeof packet), ==, sizeof packet);
}

/* The address that the datagram came from, after asserting that it came; answers it. */
static void
receive (int fd, char out[INET6_ADDRSTRLEN])
{
  struct pollfd wait = { .fd = fd, .events = POLLIN };
  struct sockaddr_storage from;
  socklen_t size = sizeof from;
  char text[16];

  g_assert_cmpint (poll (&wait, 1, 3000), ==, 1);
  g_assert_cmpint (recvfrom (fd, text, sizeof text, 0, (struct sockaddr *) &from, &size), ==, 4);
  if (from.ss_family == AF_INET)
    inet_ntop (AF_INET, &((struct sockaddr_in *) (void *) &from)->sin_addr, out, INET6_ADDRSTRLEN);
  else
    inet_ntop (
        AF_INET6, &((struct sockaddr_in6 *) (void *) &from)->sin6_addr, out, INET6_ADDRSTRLEN);
  g_assert_cmpint (sendto (fd, "pong", 4, 0, (struct sockaddr *) &from, size), ==, 4);
}

/* Reads from the TUN until the answer, past what the kernel says of its own accord. */
static void
expect_answer (int fd, size_t header_size, const uint8_t *to, size_t to_offset, size_t to_size)
{
  for (;;) {
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    uint8_t packet[2000];
    ssize_t n;

    g_assert_cmpint (poll (&wait, 1, 3000), ==, 1);
    n = read (fd, packet, sizeof packet);
    if (n != (ssize_t) header_size + 12 || memcmp (packet + header_size + 8, "pong", 4) != 0)
      continue;
    g_assert_cmpmem (packet + to_offset, to_size, to, to_size);
    return;
  }
}

static void
test_traffic (void)
{
  g_autoptr (FzPlatform) platform = bed_platform_new ();
  g_autoptr (FzTun) tun = bed_open_tun (platform, false);
  const FzIp ipv4 = test_ip ("100.64.0.1"), ipv6 = test_ip ("fd00:2021:1111::1");
  const FzIp client4 = test_ip ("100.64.0.7"), client6 = test_ip ("fd00:2021:1111::7");
  const FzIpNetwork routes[] = { test_network ("100.64.0.0/11"),
                                 test_network ("fd00:2021:1111::/107") };
  Outside outside;
  char from[INET6_ADDRSTRLEN];
  size_t n;
  int fd = fz_tun_get_queues (tun, &n)->fd;

  outside_open (&outside);
  g_assert_true (fz_platform_set_addresses (platform, tun, &ipv4, &ipv6, NULL));
  g_assert_true (fz_platform_set_routes (platform, tun, routes, 2, false, NULL));
  add_masquerade (platform, tun);

  send_v4 (fd);
  receive (outside.v4, from);
  g_assert_cmpstr (from, ==, "10.9.0.1");
  expect_answer (fd, 20, client4.bytes, 16, 4);
  send_v6 (fd);
  receive (outside.v6, from);
  g_assert_cmpstr (from, ==, "2001:db8:9::1");
  expect_answer (fd, 40, client6.bytes, 24, 16);
  outside_close (&outside);
}

/* -- sysctls that cannot be written, as in a container -- */

static bool
make_sysctls_read_only (void)
{
  return unshare (CLONE_NEWNS) == 0 && mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
         mount ("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) == 0 &&
         mount (NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

static bool
try_with_forwarding_off (void)
{
  FzPlatform *platform = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, false);
  GError *error = NULL;

  g_free (bed_run ("echo 0 > /proc/sys/net/ipv4/ip_forward"));
  return make_sysctls_read_only () && !fz_platform_add_masquerade (platform, tun, &error) &&
         strstr (error->message, "net.ipv4.ip_forward=1") != NULL;
}

static bool
try_with_forwarding_on (void)
{
  FzPlatform *platform = bed_platform_new ();
  FzTun *tun = bed_open_tun (platform, false);

  g_free (bed_run ("echo 1 > /proc/sys/net/ipv4/ip_forward;"
                   "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"));
  return make_sysctls_read_only () && fz_platform_add_masquerade (platform, tun, NULL);
}

static void
test_read_only_sysctls (void)
{
  g_assert_true (bed_fork (try_with_forwarding_off));
  g_assert_true (bed_fork (try_with_forwarding_on));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!bed_init ()) {
    g_print ("1..0 # SKIP network namespaces are not allowed here\n");
    return g_getenv ("CI") != NULL ? 1 : 0;
  }
  bed_add ("/platform/linux/masquerade/table", test_table);
  bed_add ("/platform/linux/masquerade/traffic", test_traffic);
  bed_add ("/platform/linux/masquerade/read-only-sysctls", test_read_only_sysctls);
  return g_test_run ();
}

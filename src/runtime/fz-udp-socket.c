/* fz-udp-socket.c: see the header */

#include "src/runtime/fz-udp-socket.h"

#include "platform/fz-platform.h"
#include "src/runtime/fz-udp-steering.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Debian 12's C library lacks the names; the values are the kernel's ABI. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define ADDRESS_PREFERENCES 72 /* IPV6_ADDR_PREFERENCES */
#define PREFER_PUBLIC       2  /* IPV6_PREFER_SRC_PUBLIC: stable, not temporary */

#define UNMANAGED_BYTES_MAX (1u << 20) /* dataplane.md §8.2 */
#define DISCARD_PORT        9u

/* Before 5.18 the kernel counted the headers against segment size * maximum. */
#define SEGMENTS_EXACT_SINCE 518u

static bool
set_int (int fd, int level, int option, int value)
{
  return setsockopt (fd, level, option, &value, sizeof value) == 0;
}

static int
get_int (int fd, int level, int option)
{
  int value = 0;
  socklen_t length = sizeof value;

  return getsockopt (fd, level, option, &value, &length) == 0 ? value : -1;
}

static unsigned
kernel_version (void) /* 6.1 is 601 */
{
  struct utsname name;
  unsigned major = 0, minor = 0;

  if (uname (&name) != 0 || sscanf (name.release, "%u.%u", &major, &minor) != 2)
    return 0;
  return major * 100 + MIN (minor, 99);
}

/* With CAP_NET_ADMIN in the first user namespace past the system's maximum, else up to it.
 * Returns what was granted. */
static uint32_t
set_buffer (int fd, int force_option, int option, uint32_t bytes)
{
  int granted;

  if (!set_int (fd, SOL_SOCKET, force_option, (int) bytes))
    set_int (fd, SOL_SOCKET, option, (int) bytes);
  granted = get_int (fd, SOL_SOCKET, option);
  return granted > 0 ? (uint32_t) granted / 2 : 0;
}

static void
set_family_options (int fd, FzUdpFamily family)
{
  if (family == FZ_UDP_V4) {
    set_int (fd, IPPROTO_IP, IP_PKTINFO, 1);
    set_int (fd, IPPROTO_IP, IP_RECVTOS, 1);
    set_int (fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    return;
  }
  set_int (fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  set_int (fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  set_int (fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  set_int (fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
  set_int (fd, IPPROTO_IPV6, ADDRESS_PREFERENCES, PREFER_PUBLIC);
}

static void
probe_offloads (FzUdpSocket *socket)
{
  socket->has_gso = set_int (socket->fd, SOL_UDP, UDP_SEGMENT, 0);
  socket->has_gro = set_int (socket->fd, SOL_UDP, UDP_GRO, 1);
  /* Kernels before 5.12 cannot read it back, and their implementation is fragile. */
  if (socket->has_gro && get_int (socket->fd, SOL_UDP, UDP_GRO) != 1) {
    set_int (socket->fd, SOL_UDP, UDP_GRO, 0);
    socket->has_gro = false;
  }
}

static bool
bind_port (int fd, FzUdpFamily family, uint16_t port)
{
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons (port) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons (port) };

  if (family == FZ_UDP_V4)
    return bind (fd, (struct sockaddr *) &v4, sizeof v4) == 0;
  return bind (fd, (struct sockaddr *) &v6, sizeof v6) == 0;
}

static uint16_t
bound_port (int fd)
{
  struct sockaddr_storage name = { 0 };
  socklen_t length = sizeof name;
  FzSocketAddress address = { 0 };

  if (getsockname (fd, (struct sockaddr *) &name, &length) == 0)
    fz_udp_address_from_kernel (&name, length, &address);
  return address.port;
}

/* Where nobody can tell how long a datagram has waited, only a small buffer bounds that. */
static uint32_t
receive_buffer_bytes (const FzUdpConfig *config, bool has_timestamps)
{
  return has_timestamps ? config->receive_buffer_bytes
                        : MIN (config->receive_buffer_bytes, UNMANAGED_BYTES_MAX);
}

static bool
configure (FzUdpSocket *socket, FzUdpFamily family, const FzUdpConfig *config)
{
  int fd = socket->fd;

  if (family == FZ_UDP_V6 && !set_int (fd, IPPROTO_IPV6, IPV6_V6ONLY, 1))
    return false;
  if (config->mark != FZ_UDP_MARK_NONE) {
    socket->has_mark = set_int (fd, SOL_SOCKET, SO_MARK, (int) FZ_FWMARK);
    if (!socket->has_mark && config->mark == FZ_UDP_MARK_REQUIRE)
      return false;
  }
  set_family_options (fd, family);
  set_int (fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  socket->has_timestamps = set_int (fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  socket->receive_buffer_bytes = set_buffer (
      fd, SO_RCVBUFFORCE, SO_RCVBUF, receive_buffer_bytes (config, socket->has_timestamps));
  socket->send_buffer_bytes = set_buffer (fd, SO_SNDBUFFORCE, SO_SNDBUF, config->send_buffer_bytes);
  socket->max_segments =
      kernel_version () >= SEGMENTS_EXACT_SINCE ? FZ_UDP_SEGMENTS_MAX : FZ_UDP_SEGMENTS_MAX - 1;
  if (config->use_offloads)
    probe_offloads (socket);
  if (config->is_shut && !fz_udp_steering_shut (fd))
    return false;
  if (config->join_port && !set_int (fd, SOL_SOCKET, SO_REUSEPORT, 1))
    return false;
  if (!bind_port (fd, family, config->port) &&
      (config->port == 0 || config->require_port || !bind_port (fd, family, 0)))
    return false;
  socket->port = bound_port (fd);
  return true;
}

static FzUdpSocket
open_socket (FzUdpFamily family, const FzUdpConfig *config)
{
  FzUdpSocket result = { .fd = -1 };

  result.fd = socket (
      family == FZ_UDP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (result.fd >= 0 && configure (&result, family, config))
    return result;

  result.refusal = errno;
  if (result.fd >= 0)
    close (result.fd);
  result.fd = -1;
  return result;
}

bool
fz_udp_pair_open (const FzUdpConfig *config, FzUdpPair *out, GError **error)
{
  FzUdpPair pair;
  int refusal;

  pair.sockets[FZ_UDP_V4] = open_socket (FZ_UDP_V4, config);
  pair.sockets[FZ_UDP_V6] = open_socket (FZ_UDP_V6, config);
  if (pair.sockets[FZ_UDP_V4].fd >= 0 || pair.sockets[FZ_UDP_V6].fd >= 0) {
    *out = pair;
    return true;
  }

  refusal = pair.sockets[FZ_UDP_V4].refusal;
  g_set_error (error,
               G_FILE_ERROR,
               g_file_error_from_errno (refusal),
               "no UDP socket on port %u: %s (IPv4), %s (IPv6)",
               config->port,
               g_strerror (refusal),
               g_strerror (pair.sockets[FZ_UDP_V6].refusal));
  return false;
}

void
fz_udp_pair_close (FzUdpPair *self)
{
  for (int i = 0; i < FZ_N_UDP_FAMILIES; i++) {
    if (self->sockets[i].fd >= 0)
      close (self->sockets[i].fd);
    self->sockets[i].fd = -1;
  }
}

/* The other lanes' sockets of a family whose first one is open, and the filter over them all. */
static void
share_port (const FzUdpConfig *config,
            const FzSteering *steering,
            FzUdpFamily family,
            FzUdpPair lanes[FZ_LANES_MAX])
{
  FzUdpSocket *first = &lanes[0].sockets[family];
  FzUdpConfig joining = *config;
  bool is_complete = set_int (first->fd, SOL_SOCKET, SO_REUSEPORT, 1);
  int refusal = errno;

  joining.port = first->port;
  joining.require_port = joining.join_port = true;
  for (uint32_t i = 1; i < steering->n_lanes && is_complete; i++) {
    lanes[i].sockets[family] = open_socket (family, &joining);
    is_complete = lanes[i].sockets[family].fd >= 0;
    refusal = lanes[i].sockets[family].refusal;
  }
  if (is_complete) {
    bool is_steered = fz_udp_steering_attach (first->fd, steering);

    for (uint32_t i = 0; i < steering->n_lanes; i++) {
      lanes[i].sockets[family].is_steered = is_steered;
      fz_udp_steering_admit (lanes[i].sockets[family].fd);
    }
    return;
  }
  for (uint32_t i = 0; i < steering->n_lanes; i++) {
    if (lanes[i].sockets[family].fd >= 0)
      close (lanes[i].sockets[family].fd);
    lanes[i].sockets[family] = (FzUdpSocket){ .fd = -1, .refusal = refusal };
  }
}

bool
fz_udp_lanes_open (const FzUdpConfig *config,
                   const FzSteering *steering,
                   FzUdpPair out[FZ_LANES_MAX],
                   GError **error)
{
  FzUdpPair lanes[FZ_LANES_MAX];
  FzUdpConfig own = *config;

  g_assert (steering->n_lanes <= FZ_LANES_MAX);
  own.is_shut = steering->n_lanes > 1;
  for (unsigned i = 0; i < FZ_LANES_MAX; i++)
    lanes[i] = FZ_UDP_PAIR_CLOSED;
  if (!fz_udp_pair_open (&own, &lanes[0], error))
    return false;
  for (int family = 0; family < FZ_N_UDP_FAMILIES && steering->n_lanes > 1; family++) {
    if (lanes[0].sockets[family].fd >= 0)
      share_port (&own, steering, (FzUdpFamily) family, lanes);
    else
      for (uint32_t i = 1; i < steering->n_lanes; i++)
        lanes[i].sockets[family] = lanes[0].sockets[family];
  }
  if (lanes[0].sockets[FZ_UDP_V4].fd < 0 && lanes[0].sockets[FZ_UDP_V6].fd < 0) {
    g_set_error (error,
                 G_FILE_ERROR,
                 g_file_error_from_errno (lanes[0].sockets[FZ_UDP_V4].refusal),
                 "no UDP sockets for %u lanes: %s",
                 steering->n_lanes,
                 g_strerror (lanes[0].sockets[FZ_UDP_V4].refusal));
    return false;
  }
  memcpy (out, lanes, sizeof lanes);
  return true;
}

void
fz_udp_lanes_close (FzUdpPair lanes[FZ_LANES_MAX])
{
  for (unsigned i = 0; i < FZ_LANES_MAX; i++)
    fz_udp_pair_close (&lanes[i]);
}

/* -- a change without a gap --
 *
 * Old and new sockets are one SO_REUSEPORT group for a moment. The kernel keeps a group as a list
 * in the order of the binds, and fills the place of a socket that leaves with the last one. So if
 * the old ones leave from the last to the first, each makes place for the new one of its lane, and
 * the group's filter, which names places, is right all the time. A wildcard socket leaves by being
 * connected: to the discard port of this machine, which speaks to nobody. Its queue stays. */

static bool
join_family (const FzUdpConfig *config,
             uint32_t n_lanes,
             FzUdpFamily family,
             const FzUdpPair former[FZ_LANES_MAX],
             FzUdpPair lanes[FZ_LANES_MAX])
{
  FzUdpConfig joining = *config;
  bool is_missing = former[0].sockets[family].fd < 0;

  joining.join_port = joining.require_port = !is_missing;
  for (uint32_t i = 0; i < n_lanes; i++) {
    const FzUdpSocket *old = &former[i].sockets[family];
    FzUdpSocket *new = &lanes[i].sockets[family];

    if (!is_missing && !set_int (old->fd, SOL_SOCKET, SO_REUSEPORT, 1))
      return false;
    joining.port = is_missing ? config->port : old->port;
    *new = open_socket (family, &joining);
    if (is_missing != (new->fd < 0)) /* one that has come back is made with all it needs */
      return false;
    new->is_steered = old->is_steered;
  }
  return true;
}

bool
fz_udp_lanes_open_beside (const FzUdpConfig *config,
                          const FzSteering *steering,
                          const FzUdpPair former[FZ_LANES_MAX],
                          FzUdpPair out[FZ_LANES_MAX])
{
  uint32_t n_lanes = MAX (steering->n_lanes, 1);
  FzUdpPair lanes[FZ_LANES_MAX];

  for (unsigned i = 0; i < FZ_LANES_MAX; i++)
    lanes[i] = FZ_UDP_PAIR_CLOSED;
  for (int family = 0; family < FZ_N_UDP_FAMILIES; family++)
    if (!join_family (config, n_lanes, (FzUdpFamily) family, former, lanes)) {
      fz_udp_lanes_close (lanes);
      return false;
    }
  memcpy (out, lanes, sizeof lanes);
  return true;
}

static void
leave_group (int fd, FzUdpFamily family)
{
  const struct sockaddr_in v4 = { .sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                  .sin_port = htons (DISCARD_PORT) };
  const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                   .sin6_port = htons (DISCARD_PORT) };

  /* without a loopback device it stays, and what comes until it is closed is lost */
  if (family == FZ_UDP_V4)
    (void) !connect (fd, (const struct sockaddr *) &v4, sizeof v4);
  else
    (void) !connect (fd, (const struct sockaddr *) &v6, sizeof v6);
}

void
fz_udp_lanes_retire (const FzSteering *steering,
                     const FzUdpPair former[FZ_LANES_MAX],
                     const FzUdpPair successors[FZ_LANES_MAX])
{
  uint32_t n_lanes = MAX (steering->n_lanes, 1);

  for (int family = 0; family < FZ_N_UDP_FAMILIES; family++) {
    if (former[0].sockets[family].fd < 0)
      continue;
    for (uint32_t i = n_lanes; i-- > 0;)
      leave_group (former[i].sockets[family].fd, (FzUdpFamily) family);
    if (n_lanes == 1) /* nobody else is to join */
      set_int (successors[0].sockets[family].fd, SOL_SOCKET, SO_REUSEPORT, 0);
  }
}

socklen_t
fz_udp_address_to_kernel (const FzSocketAddress *address, struct sockaddr_storage *out)
{
  if (address->ip.family == FZ_IP_V6) {
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) out;

    *v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons (address->port) };
    memcpy (&v6->sin6_addr, address->ip.bytes, 16);
    return sizeof *v6;
  } else {
    struct sockaddr_in *v4 = (struct sockaddr_in *) out;

    *v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons (address->port) };
    memcpy (&v4->sin_addr, address->ip.bytes, 4);
    return sizeof *v4;
  }
}

bool
fz_udp_address_from_kernel (const struct sockaddr_storage *address,
                            socklen_t length,
                            FzSocketAddress *out)
{
  if (address->ss_family == AF_INET && length >= sizeof (struct sockaddr_in)) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

    out->ip = fz_ip_v4 ((const uint8_t *) &v4->sin_addr);
    out->port = ntohs (v4->sin_port);
    return true;
  }
  if (address->ss_family == AF_INET6 && length >= sizeof (struct sockaddr_in6)) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

    out->ip = IN6_IS_ADDR_V4MAPPED (&v6->sin6_addr) ? fz_ip_v4 (v6->sin6_addr.s6_addr + 12)
                                                    : fz_ip_v6 (v6->sin6_addr.s6_addr);
    out->port = ntohs (v6->sin6_port);
    return true;
  }
  return false;
}

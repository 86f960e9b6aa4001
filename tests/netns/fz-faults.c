/* fz-faults.c
 *
 * A kernel that refuses: a library to be preloaded into the real programs, which
 * fails the calls it is told to, at the moment it is told to. faults.py writes
 * the rules into a file that is mapped here, so each can be switched on and off
 * while the program runs, and says how often it has struck.
 *
 * Only the packet path is meant: UDP sockets, the TUN device and the options and
 * ioctls that ask for their abilities. Everything else goes to the kernel as it is.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#define N_RULES     16u
#define UDP_SEGMENT 103
#define TUN_DEVICE  makedev (10, 200)
#define GSO_TYPE_AT 1 /* of struct virtio_net_hdr */
#define GSO_ECN     0x80u
#define LEVEL_SHIFT 16u

/* As in faults.py. */
typedef enum {
  CALL_NONE,
  CALL_READV,
  CALL_WRITEV, /* what: the run's gso_type, 0 for any run */
  CALL_SENDMMSG,
  CALL_RECVMMSG,
  CALL_SENDMSG,
  CALL_RECVMSG,
  CALL_SETSOCKOPT,     /* what: level << 16 | option */
  CALL_TUNSETOFFLOAD,  /* what: any of these bits */
  CALL_TUNGETFEATURES, /* what: bits that the kernel does not have */
} Call;

#define FLAG_ACTIVE    1u
#define FLAG_SEGMENTED 2u /* only a message that asks for segmentation */
#define FLAG_PARTIAL   4u /* no error: half of a batch */

typedef struct {
  uint32_t call;
  uint32_t what;
  int32_t error;
  uint32_t every;         /* each so manyth of those that match */
  _Atomic uint32_t flags; /* the test writes, any thread reads */
  _Atomic uint32_t seen;  /* calls that matched while it was active; any thread adds */
  _Atomic uint32_t hits;  /* that were struck */
  uint32_t unused;
} Rule;

static Rule *rules; /* N_RULES of them, shared with the test; NULL: none */

#define REAL(name)                 real_##name
#define DECLARE(result, name, ...) static result (*REAL (name)) (__VA_ARGS__)

DECLARE (ssize_t, readv, int, const struct iovec *, int);
DECLARE (ssize_t, writev, int, const struct iovec *, int);
DECLARE (int, sendmmsg, int, struct mmsghdr *, unsigned, int);
DECLARE (int, recvmmsg, int, struct mmsghdr *, unsigned, int, struct timespec *);
DECLARE (ssize_t, sendmsg, int, const struct msghdr *, int);
DECLARE (ssize_t, recvmsg, int, struct msghdr *, int);
DECLARE (int, setsockopt, int, int, int, const void *, socklen_t);
DECLARE (int, ioctl, int, unsigned long, ...);

#define FIND(name) (*(void **) (void *) &REAL (name) = dlsym (RTLD_NEXT, #name))

__attribute__ ((constructor)) static void
find_calls (void)
{
  const char *path = getenv ("FZ_FAULTS");
  int fd;
  void *memory;

  FIND (readv);
  FIND (writev);
  FIND (sendmmsg);
  FIND (recvmmsg);
  FIND (sendmsg);
  FIND (recvmsg);
  FIND (setsockopt);
  FIND (ioctl);
  if (path == NULL || (fd = open (path, O_RDWR | O_CLOEXEC)) < 0)
    return;
  memory = mmap (NULL, N_RULES * sizeof (Rule), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory != MAP_FAILED)
    rules = memory;
}

static bool
is_udp (int fd)
{
  int domain = 0, type = 0;
  socklen_t length = sizeof (int);

  return getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
         (domain == AF_INET || domain == AF_INET6) &&
         getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM;
}

static bool
is_tun (int fd)
{
  struct stat status;

  return fstat (fd, &status) == 0 && S_ISCHR (status.st_mode) && status.st_rdev == TUN_DEVICE;
}

static bool
does_match (Call call, uint32_t wanted, uint32_t what)
{
  if (call == CALL_WRITEV)
    return what != 0 && (wanted == 0 || wanted == what);
  if (call == CALL_TUNSETOFFLOAD)
    return (wanted & what) != 0;
  return wanted == what;
}

/* The rule that a call meets now; NULL: the kernel has it. */
static const Rule *
strike (Call call, uint32_t what, bool is_segmented)
{
  for (unsigned i = 0; rules != NULL && i < N_RULES; i++) {
    Rule *rule = &rules[i];
    uint32_t flags = atomic_load (&rule->flags);

    if (rule->call != (uint32_t) call || (flags & FLAG_ACTIVE) == 0 ||
        ((flags & FLAG_SEGMENTED) != 0 && !is_segmented) || !does_match (call, rule->what, what))
      continue;
    if ((atomic_fetch_add (&rule->seen, 1) + 1) % (rule->every != 0 ? rule->every : 1) != 0)
      continue;
    atomic_fetch_add (&rule->hits, 1);
    return rule;
  }
  return NULL;
}

/* Whether any rule for @call is on: what else is to be asked costs calls of its own. */
static bool
is_watched (Call call)
{
  for (unsigned i = 0; rules != NULL && i < N_RULES; i++)
    if (rules[i].call == (uint32_t) call && (atomic_load (&rules[i].flags) & FLAG_ACTIVE) != 0)
      return true;
  return false;
}

static bool
fails (Call call, uint32_t what)
{
  const Rule *rule = strike (call, what, false);

  if (rule == NULL)
    return false;
  errno = rule->error;
  return true;
}

static bool
is_segmented (const struct msghdr *header)
{
  for (struct cmsghdr *at = CMSG_FIRSTHDR (header); at != NULL;
       at = CMSG_NXTHDR ((struct msghdr *) (uintptr_t) header, at))
    if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_SEGMENT)
      return true;
  return false;
}

/* -- the calls -- */

ssize_t
readv (int fd, const struct iovec *pieces, int n)
{
  if (is_watched (CALL_READV) && is_tun (fd) && fails (CALL_READV, 0))
    return -1;
  return REAL (readv) (fd, pieces, n);
}

ssize_t
writev (int fd, const struct iovec *pieces, int n)
{
  if (is_watched (CALL_WRITEV) && is_tun (fd) && n > 1 &&
      fails (CALL_WRITEV, ((const uint8_t *) pieces[0].iov_base)[GSO_TYPE_AT] & ~GSO_ECN))
    return -1;
  return REAL (writev) (fd, pieces, n);
}

/* Whether a rule refuses segmentation, and nothing else, now. */
static bool
refuses_segments (void)
{
  for (unsigned i = 0; rules != NULL && i < N_RULES; i++)
    if (rules[i].call == CALL_SENDMMSG &&
        (~atomic_load (&rules[i].flags) & (FLAG_ACTIVE | FLAG_SEGMENTED)) == 0)
      return true;
  return false;
}

/* As the kernel does it: messages before the one that is refused leave, and the error comes with
 * the next call, which is the one that counts as struck. */
int
sendmmsg (int fd, struct mmsghdr *messages, unsigned n, int flags)
{
  const Rule *rule;
  unsigned first = 0;

  if (!is_watched (CALL_SENDMMSG) || !is_udp (fd))
    return REAL (sendmmsg) (fd, messages, n, flags);
  while (first < n && !is_segmented (&messages[first].msg_hdr))
    first++;
  rule = strike (CALL_SENDMMSG, 0, first == 0);
  if (rule == NULL)
    return REAL (sendmmsg) (fd, messages, first > 0 && refuses_segments () ? first : n, flags);
  if ((atomic_load (&rule->flags) & FLAG_PARTIAL) != 0)
    return REAL (sendmmsg) (fd, messages, (n + 1) / 2, flags);
  errno = rule->error;
  return -1;
}

int
recvmmsg (int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout)
{
  if (is_watched (CALL_RECVMMSG) && is_udp (fd) && fails (CALL_RECVMMSG, 0))
    return -1;
  return REAL (recvmmsg) (fd, messages, n, flags, timeout);
}

ssize_t
sendmsg (int fd, const struct msghdr *message, int flags)
{
  if (is_watched (CALL_SENDMSG) && is_udp (fd) && fails (CALL_SENDMSG, 0))
    return -1;
  return REAL (sendmsg) (fd, message, flags);
}

ssize_t
recvmsg (int fd, struct msghdr *message, int flags)
{
  if (is_watched (CALL_RECVMSG) && is_udp (fd) && fails (CALL_RECVMSG, 0))
    return -1;
  return REAL (recvmsg) (fd, message, flags);
}

int
setsockopt (int fd, int level, int option, const void *value, socklen_t length)
{
  if (is_watched (CALL_SETSOCKOPT) && is_udp (fd) &&
      fails (CALL_SETSOCKOPT, (uint32_t) level << LEVEL_SHIFT | (uint32_t) option))
    return -1;
  return REAL (setsockopt) (fd, level, option, value, length);
}

int
ioctl (int fd, unsigned long request, ...)
{
  const Rule *rule;
  va_list arguments;
  void *argument;
  int result;

  va_start (arguments, request);
  argument = va_arg (arguments, void *);
  va_end (arguments);
  if (request == TUNSETOFFLOAD && fails (CALL_TUNSETOFFLOAD, (uint32_t) (uintptr_t) argument))
    return -1;
  result = REAL (ioctl) (fd, request, argument);
  if (request == TUNGETFEATURES && result == 0 &&
      (rule = strike (CALL_TUNGETFEATURES, 0, false)) != NULL)
    *(unsigned *) argument &= ~(unsigned) rule->error;
  return result;
}

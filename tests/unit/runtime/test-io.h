/* test-io.h
 *
 * A shim around the six system calls: passes them on, counts them, and fails
 * or cuts short the ones it was told to.
 */
#pragma once

#include "src/runtime/fz-io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define TEST_FAULTS_MAX 64u

typedef enum {
  TEST_READV,
  TEST_WRITEV,
  TEST_SENDMMSG,
  TEST_RECVMMSG,
  TEST_SENDMSG,
  TEST_RECVMSG,
  N_TEST_CALLS,
} TestCall;

typedef struct {
  TestCall call;
  unsigned nth;        /* counted from 1 for each kind of call; 0: every one */
  int error;           /* errno to fail with; 0: cut short instead */
  unsigned most;       /* messages that a cut batch takes */
  bool only_segmented; /* only a message that asks for UDP_SEGMENT, only a run */
} TestFault;

typedef struct {
  FzIo io;
  TestFault faults[TEST_FAULTS_MAX];
  size_t n_faults;
  atomic_uint calls[N_TEST_CALLS];
  unsigned chaos_per_mille; /* chance of a partial send, EAGAIN or EINTR on any call */
  atomic_uint chaos_state;
} TestIo;

static inline unsigned
test_io_chance (TestIo *self)
{
  unsigned x = atomic_fetch_add (&self->chaos_state, 0x9e3779b9u);

  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  return x ^ x >> 16;
}

static inline const TestFault *
test_io_find (TestIo *self, TestCall call, bool is_segmented)
{
  unsigned n = atomic_fetch_add (&self->calls[call], 1) + 1;

  for (size_t i = 0; i < self->n_faults; i++) {
    const TestFault *fault = &self->faults[i];

    if (fault->call == call && (fault->nth == 0 || fault->nth == n) &&
        (!fault->only_segmented || is_segmented))
      return fault;
  }
  return NULL;
}

/* Returns true if the call fails with errno set. */
static inline bool
test_io_fails (TestIo *self, TestCall call)
{
  const TestFault *fault = test_io_find (self, call, false);

  if (fault == NULL || fault->error == 0)
    return false;
  errno = fault->error;
  return true;
}

static inline ssize_t
test_readv (void *context, int fd, const struct iovec *iov, int n_iov)
{
  return test_io_fails (context, TEST_READV) ? -1 : fz_io_kernel.readv (NULL, fd, iov, n_iov);
}

static inline ssize_t
test_writev (void *context, int fd, const struct iovec *iov, int n_iov)
{
  const TestFault *fault =
      test_io_find (context, TEST_WRITEV, n_iov > 1 && ((const uint8_t *) iov[0].iov_base)[1] != 0);

  if (fault != NULL && fault->error != 0) {
    errno = fault->error;
    return -1;
  }
  return fz_io_kernel.writev (NULL, fd, iov, n_iov);
}

static inline bool
test_is_segmented (const struct msghdr *header)
{
  for (struct cmsghdr *at = CMSG_FIRSTHDR (header); at != NULL;
       at = CMSG_NXTHDR ((struct msghdr *) (uintptr_t) header, at))
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == 103)
      return true;
  return false;
}

static inline int
test_sendmmsg (void *context, int fd, struct mmsghdr *messages, unsigned n, int flags)
{
  TestIo *self = context;
  unsigned first = 0; /* message that asks for segmentation */
  const TestFault *fault;
  unsigned chance = self->chaos_per_mille > 0 ? test_io_chance (self) : 0;

  while (first < n && !test_is_segmented (&messages[first].msg_hdr))
    first++;
  fault = test_io_find (self, TEST_SENDMMSG, first < n);
  if (fault != NULL && fault->only_segmented && first > 0) {
    n = first; /* as the kernel does: the error comes with the next call */
  } else if (fault != NULL && fault->error != 0) {
    errno = fault->error;
    return -1;
  }
  if (fault != NULL && fault->error == 0 && fault->most < n)
    n = fault->most;
  if (self->chaos_per_mille > 0 && chance % 1000 < self->chaos_per_mille) {
    switch (chance >> 16 & 3) {
    case 0:
      errno = EAGAIN;
      return -1;
    case 1:
      errno = EINTR;
      return -1;
    default:
      n = 1;
    }
  }
  return fz_io_kernel.sendmmsg (NULL, fd, messages, n, flags);
}

static inline int
test_recvmmsg (void *context, int fd, struct mmsghdr *messages, unsigned n, int flags)
{
  return test_io_fails (context, TEST_RECVMMSG)
             ? -1
             : fz_io_kernel.recvmmsg (NULL, fd, messages, n, flags);
}

static inline ssize_t
test_sendmsg (void *context, int fd, const struct msghdr *message, int flags)
{
  return test_io_fails (context, TEST_SENDMSG) ? -1
                                               : fz_io_kernel.sendmsg (NULL, fd, message, flags);
}

static inline ssize_t
test_recvmsg (void *context, int fd, struct msghdr *message, int flags)
{
  return test_io_fails (context, TEST_RECVMSG) ? -1
                                               : fz_io_kernel.recvmsg (NULL, fd, message, flags);
}

static inline void
test_io_init (TestIo *self)
{
  *self = (TestIo){
    .io = { .readv = test_readv,
            .writev = test_writev,
            .sendmmsg = test_sendmmsg,
            .recvmmsg = test_recvmmsg,
            .sendmsg = test_sendmsg,
            .recvmsg = test_recvmsg },
  };
  self->io.context = self;
}

static inline void
test_io_add (TestIo *self, TestFault fault)
{
  if (self->n_faults == TEST_FAULTS_MAX)
    abort ();
  self->faults[self->n_faults++] = fault;
}

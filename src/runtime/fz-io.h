/* fz-io.h
 *
 * The six system calls of the packet path, behind one small table: the real
 * ones, or a test's shim that fails the n-th call, sends half a batch or counts.
 * Signatures are the kernel's with the table's context in front; errors come in
 * errno.
 */
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

typedef struct {
  void *context;
  ssize_t (*readv) (void *context, int fd, const struct iovec *iov, int n_iov);
  ssize_t (*writev) (void *context, int fd, const struct iovec *iov, int n_iov);
  int (*sendmmsg) (void *context, int fd, struct mmsghdr *messages, unsigned n, int flags);
  int (*recvmmsg) (void *context, int fd, struct mmsghdr *messages, unsigned n, int flags);
  ssize_t (*sendmsg) (void *context, int fd, const struct msghdr *message, int flags);
  ssize_t (*recvmsg) (void *context, int fd, struct msghdr *message, int flags);
} FzIo;

extern const FzIo fz_io_kernel; /* the real ones */

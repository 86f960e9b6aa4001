/* fz-io.c: see the header */

#include "src/runtime/fz-io.h"

#include <stddef.h>

static ssize_t
kernel_readv (void *context, int fd, const struct iovec *iov, int n_iov)
{
  return readv (fd, iov, n_iov);
}

static ssize_t
kernel_writev (void *context, int fd, const struct iovec *iov, int n_iov)
{
  return writev (fd, iov, n_iov);
}

static int
kernel_sendmmsg (void *context, int fd, struct mmsghdr *messages, unsigned n, int flags)
{
  return sendmmsg (fd, messages, n, flags);
}

static int
kernel_recvmmsg (void *context, int fd, struct mmsghdr *messages, unsigned n, int flags)
{
  return recvmmsg (fd, messages, n, flags, NULL);
}

static ssize_t
kernel_sendmsg (void *context, int fd, const struct msghdr *message, int flags)
{
  return sendmsg (fd, message, flags);
}

static ssize_t
kernel_recvmsg (void *context, int fd, struct msghdr *message, int flags)
{
  return recvmsg (fd, message, flags);
}

const FzIo fz_io_kernel = {
  .readv = kernel_readv,
  .writev = kernel_writev,
  .sendmmsg = kernel_sendmmsg,
  .recvmmsg = kernel_recvmmsg,
  .sendmsg = kernel_sendmsg,
  .recvmsg = kernel_recvmsg,
};

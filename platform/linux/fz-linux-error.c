/* fz-linux-error.c
 *
 * From an errno to an FZ_PLATFORM_ERROR with words, and the log lines for an
 * address family that the machine has not got.
 */

#include "platform/linux/fz-linux-private.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>

static FzPlatformError
code_of (int error_number)
{
  switch (error_number) {
  case EPERM:
  case EACCES:
    return FZ_PLATFORM_ERROR_PERMISSION;
  case EOPNOTSUPP:
  case EAFNOSUPPORT:
  case EPROTONOSUPPORT:
  case ENOSYS:
    return FZ_PLATFORM_ERROR_UNSUPPORTED;
  case EBUSY:
    return FZ_PLATFORM_ERROR_BUSY;
  case ENODEV:
  case ENXIO:
    return FZ_PLATFORM_ERROR_GONE;
  default:
    return FZ_PLATFORM_ERROR_FAILED;
  }
}

void
fz_linux_set_error (GError **error, int error_number, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error,
               FZ_PLATFORM_ERROR,
               code_of (error_number),
               "%s: %s",
               what,
               error_number == EPERM ? "not permitted (CAP_NET_ADMIN is needed)"
                                     : g_strerror (error_number));
}

/* EACCES: IPv6 is switched off by sysctl, on all interfaces or this one. */
bool
fz_linux_is_family_missing (int error_number)
{
  return error_number == EAFNOSUPPORT || error_number == EOPNOTSUPP || error_number == EACCES;
}

void
fz_linux_log_no_family (FzLinux *self, FzIpFamily family)
{
  bool *has_logged = family == FZ_IP_V4 ? &self->has_logged_no_ipv4 : &self->has_logged_no_ipv6;

  if (*has_logged)
    return;
  *has_logged = true;
  fz_log (&self->base.log,
          FZ_LOG_WARNING,
          "address-family-missing",
          "the kernel has this IP version switched off: going on without it",
          FZ_KV_U64 ("ip_version", family == FZ_IP_V4 ? 4 : 6));
}

uint8_t
fz_linux_address_family (const FzIp *ip)
{
  return ip->family == FZ_IP_V4 ? AF_INET : AF_INET6;
}

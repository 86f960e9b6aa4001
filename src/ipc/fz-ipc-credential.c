#include "src/ipc/fz-ipc-credential.h"

#include "src/ipc/fz-ipc-error.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* What a header of HTTP may hold without quoting: visible ASCII. */
static bool
is_token (const char *text, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (text[i] <= ' ' || text[i] > '~')
      return false;
  return true;
}

static int
fail_invalid (GError **error, const char *text)
{
  g_set_error_literal (error, FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT, text);
  return -1;
}

static int
fail_errno (GError **error, const char *what, int fd)
{
  int code = errno;

  g_set_error (error,
               G_IO_ERROR,
               (int) g_io_error_from_errno (code),
               "cannot %s: %s",
               what,
               g_strerror (code));
  if (fd >= 0)
    close (fd);
  return -1;
}

static bool
write_all (int fd, const char *bytes, size_t n)
{
  while (n > 0) {
    ssize_t done = write (fd, bytes, n);

    if (done < 0 && errno != EINTR)
      return false;
    if (done > 0) {
      bytes += done;
      n -= (size_t) done;
    }
  }
  return true;
}

int
fz_ipc_credential_seal (const char *token, GError **error)
{
  size_t n = strlen (token);
  int fd;

  if (n == 0)
    return fail_invalid (error, "the token is empty");
  if (n > FZ_IPC_CREDENTIAL_BYTES_MAX)
    return fail_invalid (error, "the token is too long");
  if (!is_token (token, n))
    return fail_invalid (error, "the token holds characters that no token has");

  fd = memfd_create ("firezone-credential", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    return fail_errno (error, "make a memory file for the token", -1);
  if (!write_all (fd, token, n))
    return fail_errno (error, "write the token into a memory file", fd);
  if (fcntl (fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
    return fail_errno (error, "seal the memory file with the token", fd);
  return fd;
}

/* Sealed first, measured after: the length cannot change any more. */
static bool
check_descriptor (int fd, size_t *out_n, GError **error)
{
  int seals = fcntl (fd, F_GET_SEALS);
  struct stat st;

  if (seals < 0 || (seals & SEALS) != SEALS) {
    fail_invalid (error,
                  "the credential must be a memfd that is sealed against shrinking, growing and "
                  "writing");
    return false;
  }
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode)) {
    fail_invalid (error, "the credential must be a memfd");
    return false;
  }
  if (st.st_size < 1 || st.st_size > (off_t) FZ_IPC_CREDENTIAL_BYTES_MAX) {
    fail_invalid (error, "the credential must have 1 to 4096 bytes");
    return false;
  }
  *out_n = (size_t) st.st_size;
  return true;
}

/* The sender shares the file's position, so it is not used. */
static bool
read_all (int fd, char *out, size_t n)
{
  size_t at = 0;

  while (at < n) {
    ssize_t done = pread (fd, out + at, n - at, (off_t) at);

    if (done == 0 || (done < 0 && errno != EINTR))
      return false;
    if (done > 0)
      at += (size_t) done;
  }
  return true;
}

bool
fz_ipc_credential_read (int fd, char *out, size_t capacity, GError **error)
{
  size_t n;

  g_assert (capacity > FZ_IPC_CREDENTIAL_BYTES_MAX);

  explicit_bzero (out, capacity);
  if (!check_descriptor (fd, &n, error))
    return false;
  if (!read_all (fd, out, n)) {
    fail_invalid (error, "the credential cannot be read");
  } else if (!is_token (out, n)) {
    fail_invalid (error, "the credential is not a token: it holds other than visible ASCII");
  } else {
    return true;
  }
  explicit_bzero (out, capacity);
  return false;
}

/* test-credential.c
 *
 * The token's way over the bus: what is sealed is read, and nothing else is.
 */
#include "src/ipc/fz-ipc-credential.h"
#include "src/ipc/fz-ipc-error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int
make_memfd (const char *bytes, size_t n, int seals)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, bytes, n), ==, (ssize_t) n);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);
  return fd;
}

static void
assert_wiped (const char *bytes, size_t n)
{
  for (size_t i = 0; i < n; i++)
    g_assert_cmpint (bytes[i], ==, 0);
}

static void
test_round_trip (void)
{
  char longest[FZ_IPC_CREDENTIAL_BYTES_MAX + 1];
  char out[FZ_IPC_CREDENTIAL_BYTES_MAX + 1];
  const char *const tokens[] = { ".SFMyNTY.g2gDbQAAACQ", "x", longest };

  memset (longest, '~', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  for (size_t i = 0; i < G_N_ELEMENTS (tokens); i++) {
    g_autoptr (GError) error = NULL;
    int fd = fz_ipc_credential_seal (tokens[i], &error);

    g_assert_no_error (error);
    lseek (fd, 0, SEEK_END); /* whoever sent it may leave the position anywhere */
    g_assert_true (fz_ipc_credential_read (fd, out, sizeof out, &error));
    g_assert_no_error (error);
    g_assert_cmpstr (out, ==, tokens[i]);
    g_assert_cmpint (write (fd, "y", 1), <, 0);
    g_assert_cmpint (ftruncate (fd, 0), <, 0);
    g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, !=, 0);
    close (fd);
  }
}

static void
test_seal_refuses (void)
{
  char too_long[FZ_IPC_CREDENTIAL_BYTES_MAX + 2];
  const char *const tokens[] = { "", "two words", "line\n", "\x7f", "t\xc3\xb6k", too_long };

  memset (too_long, 'x', sizeof too_long - 1);
  too_long[sizeof too_long - 1] = '\0';
  for (size_t i = 0; i < G_N_ELEMENTS (tokens); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (fz_ipc_credential_seal (tokens[i], &error), ==, -1);
    g_assert_error (error, FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT);
  }
}

static void
test_read_refuses (void)
{
  static const struct {
    const char *bytes;
    size_t n;
    int seals;
    const char *why;
  } rows[] = {
    { "token", 5, 0, "not sealed" },
    { "token", 5, F_SEAL_SHRINK | F_SEAL_GROW, "can be written" },
    { "token", 5, F_SEAL_SHRINK | F_SEAL_WRITE, "can grow" },
    { "token", 5, F_SEAL_GROW | F_SEAL_WRITE, "can shrink" },
    { "", 0, SEALS, "empty" },
    { "tok\0en", 6, SEALS, "a zero inside" },
    { "token\n", 6, SEALS, "white space" },
    { "\xff\xfe", 2, SEALS, "not ASCII" },
  };
  char out[FZ_IPC_CREDENTIAL_BYTES_MAX + 1];

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    int fd = make_memfd (rows[i].bytes, rows[i].n, rows[i].seals);

    g_test_message ("%s", rows[i].why);
    memset (out, 'x', sizeof out);
    g_assert_false (fz_ipc_credential_read (fd, out, sizeof out, &error));
    g_assert_error (error, FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT);
    assert_wiped (out, sizeof out);
    close (fd);
  }
}

static void
test_read_refuses_long (void)
{
  char bytes[FZ_IPC_CREDENTIAL_BYTES_MAX + 1];
  char out[FZ_IPC_CREDENTIAL_BYTES_MAX + 1];
  g_autoptr (GError) error = NULL;
  int fd;

  memset (bytes, 'x', sizeof bytes);
  fd = make_memfd (bytes, sizeof bytes, SEALS);
  g_assert_false (fz_ipc_credential_read (fd, out, sizeof out, &error));
  g_assert_error (error, FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT);
  close (fd);
}

static void
test_read_refuses_other_files (void)
{
  char out[FZ_IPC_CREDENTIAL_BYTES_MAX + 1];
  int pipes[2];
  int fds[4];

  g_assert_cmpint (pipe (pipes), ==, 0);
  fds[0] = open ("/dev/zero", O_RDONLY | O_CLOEXEC);
  fds[1] = open ("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  fds[2] = open ("/", O_RDONLY | O_CLOEXEC);
  fds[3] = pipes[0];
  for (size_t i = 0; i < G_N_ELEMENTS (fds); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (fz_ipc_credential_read (fds[i], out, sizeof out, &error));
    g_assert_error (error, FZ_IPC_ERROR, FZ_IPC_ERROR_INVALID_ARGUMENT);
    close (fds[i]);
  }
  close (pipes[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ipc/credential/round-trip", test_round_trip);
  g_test_add_func ("/ipc/credential/seal-refuses", test_seal_refuses);
  g_test_add_func ("/ipc/credential/read-refuses", test_read_refuses);
  g_test_add_func ("/ipc/credential/read-refuses-long", test_read_refuses_long);
  g_test_add_func ("/ipc/credential/read-refuses-other-files", test_read_refuses_other_files);
  return g_test_run ();
}

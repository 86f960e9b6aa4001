/* test-secret.c: locked memory for many small secrets */

#include "src/crypto/fz-crypto.h"

#include <glib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ASan and TSan put a function that always succeeds in mlock's place. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MLOCK_IS_A_SHAM true
#elif defined(__clang__)
#define MLOCK_IS_A_SHAM (__has_feature (address_sanitizer) || __has_feature (thread_sanitizer))
#else
#define MLOCK_IS_A_SHAM false
#endif

static void
assert_zero (const uint8_t *bytes, size_t n)
{
  for (size_t i = 0; i < n; i++)
    g_assert_cmpuint (bytes[i], ==, 0);
}

static void
test_sizes (void)
{
  static const size_t sizes[] = { 1, 7, 8, 32, 63, 64, 65, 200, 4095, 4096, 4097, 100000 };

  for (int round = 0; round < 3; round++)
    for (size_t i = 0; i < G_N_ELEMENTS (sizes); i++) {
      uint8_t *secret = fz_secret_new (sizes[i]);

      g_assert_cmpuint ((guintptr) secret % 64, ==, 0);
      assert_zero (secret, sizes[i]);
      memset (secret, 0xee, sizes[i]);
      fz_secret_free (secret, sizes[i]);
    }
  fz_secret_free (NULL, 32);
}

#define N_SECRETS 50000u

static void
test_many (void)
{
  uint8_t **secrets = g_new (uint8_t *, N_SECRETS);
  size_t before = fz_secret_get_reserved_bytes ();

  for (unsigned i = 0; i < N_SECRETS; i++) {
    secrets[i] = fz_secret_new (32);
    assert_zero (secrets[i], 32);
    memset (secrets[i], (int) (i & 0xff), 32);
  }
  for (unsigned i = 0; i < N_SECRETS; i++) {
    for (int j = 0; j < 32; j++)
      g_assert_cmpuint (secrets[i][j], ==, i & 0xff);
    fz_secret_free (secrets[i], 32);
  }
  g_assert_cmpuint (fz_secret_get_reserved_bytes (), <=, before + 65536); /* one is kept */
  g_free (secrets);
}

static gpointer
churn (gpointer data)
{
  (void) data;
  for (int round = 0; round < 20000; round++) {
    uint64_t *secret = fz_secret_new (64);

    for (int i = 0; i < 8; i++) {
      g_assert_cmpuint (secret[i], ==, 0);
      secret[i] = UINT64_MAX;
    }
    fz_secret_free (secret, 64);
  }
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[3];

  for (size_t i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("churn", churn, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

/* In a child, since a limit that is lowered stays low. Root is above the limit: become nobody. */
static void
test_lock_refused (void)
{
  const struct rlimit none = { 0, 0 };
  pid_t child = fork ();
  int status;

  if (child == 0) {
    uint8_t *secret;

    if (setrlimit (RLIMIT_MEMLOCK, &none) != 0 || (geteuid () == 0 && setuid (65534) != 0))
      _exit (2);
    secret = fz_secret_new (100000);
    secret[99999] = 1;
    fz_secret_free (secret, 100000);
    _exit (fz_secret_is_locked () && !MLOCK_IS_A_SHAM ? 1 : 0);
  }
  g_assert_cmpint (child, >, 0);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/secret/sizes", test_sizes);
  g_test_add_func ("/secret/many", test_many);
  g_test_add_func ("/secret/threads", test_threads);
  g_test_add_func ("/secret/lock-refused", test_lock_refused);
  return g_test_run ();
}

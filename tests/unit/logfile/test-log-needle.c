/* test-log-needle.c: the fast search against a slow one */

#include "src/logfile/fz-log-needle.h"

#include <glib.h>
#include <string.h>

static size_t
find_slowly (const char *needle, size_t n, const char *hay, size_t length, size_t from)
{
  for (size_t i = from; i + n <= length; i++)
    if (g_ascii_strncasecmp (hay + i, needle, n) == 0)
      return i;
  return length;
}

static void
assert_same (const char *needle, size_t n, const char *hay, size_t length, size_t from)
{
  /* in memory that ends where it ends */
  g_autofree char *copy = g_memdup2 (hay, MAX (length, 1));
  FzLogNeedle self;

  fz_log_needle_init (&self, fz_span (needle, n));
  g_assert_cmpuint (fz_log_needle_find (&self, fz_span (copy, length), from),
                    ==,
                    find_slowly (needle, n, copy, length, from));
}

/* Few letters, so that near misses are common. */
static void
test_random (void)
{
  static const char letters[] = "aAbB@`[{ \"1";
  char hay[300], needle[8];

  for (unsigned round = 0; round < 20000; round++) {
    size_t length = (size_t) g_test_rand_int_range (0, sizeof hay);
    size_t n = (size_t) g_test_rand_int_range (1, sizeof needle);

    for (size_t i = 0; i < length; i++)
      hay[i] = letters[g_test_rand_int_range (0, sizeof letters - 1)];
    for (size_t i = 0; i < n; i++)
      needle[i] = letters[g_test_rand_int_range (0, sizeof letters - 1)];
    assert_same (
        needle, n, hay, length, length > 0 ? (size_t) g_test_rand_int_range (0, (int) length) : 0);
  }
}

static void
test_places (void)
{
  char hay[200];

  for (size_t at = 0; at + 6 <= sizeof hay; at++) {
    memset (hay, '.', sizeof hay);
    memcpy (hay + at, "NeEdLe", 6);
    assert_same ("needle", 6, hay, sizeof hay, 0);
    assert_same ("needle", 6, hay, sizeof hay, at);
    assert_same ("needle", 6, hay, sizeof hay, at + 1);
  }
}

static void
test_only_letters_fold (void)
{
  assert_same ("@", 1, "`", 1, 0);
  assert_same ("[", 1, "{", 1, 0);
  assert_same ("\xc3\xbc", 2, "\xc3\x9c", 2, 0); /* ü is not Ü: ASCII only */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log-needle/random", test_random);
  g_test_add_func ("/log-needle/places", test_places);
  g_test_add_func ("/log-needle/only-letters-fold", test_only_letters_fold);
  return g_test_run ();
}

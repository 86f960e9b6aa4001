/* test-values.c: identifiers, instants, drop names, checked numbers, the seeded generator */

#include "src/base/fz-checked.h"
#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-rng.h"
#include "src/base/fz-uuid.h"

#include <glib.h>
#include <string.h>

static void
test_uuid (void)
{
  static const char *const bad[] = {
    "",
    "00112233-4455-6677-8899-aabbccddeef",
    "00112233-4455-6677-8899-aabbccddeeff0",
    "00112233-4455-6677-8899-aabbccddeefg",
    "00112233445566778899aabbccddeeff",
    "{00112233-4455-6677-8899-aabbccddeeff}",
    "0011223-34455-6677-8899-aabbccddeeff",
    "00112233-4455-6677-8899_aabbccddeeff",
    "00112233-4455-6677-8899-aabbccddeeff ",
    "-",
  };
  FzUuid id = { { 1 } }, before = id, other;
  char text[FZ_UUID_TEXT_MAX];

  for (size_t i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_test_message ("\"%s\"", bad[i]);
    g_assert_false (fz_uuid_parse (bad[i], &id));
    g_assert_true (fz_uuid_equal (&id, &before));
  }
  g_assert_true (fz_uuid_parse ("00112233-4455-6677-8899-AaBbCcDdEeFf", &id));
  g_assert_cmpstr (fz_uuid_format (&id, text), ==, "00112233-4455-6677-8899-aabbccddeeff");
  g_assert_true (fz_uuid_parse ("00112233-4455-6677-8899-aabbccddef00", &other));
  g_assert_cmpint (fz_uuid_compare (&id, &other), <, 0);
  g_assert_cmpint (fz_uuid_compare (&other, &id), >, 0);
  g_assert_false (fz_uuid_equal (&id, &other));
}

static void
test_instant (void)
{
  g_assert_cmpuint (fz_instant_add (5, 7), ==, 12);
  g_assert_true (fz_instant_add (FZ_INSTANT_NEVER - 1, 1) == FZ_INSTANT_NEVER);
  g_assert_true (fz_instant_add (FZ_INSTANT_NEVER - 1, 2) == FZ_INSTANT_NEVER);
  g_assert_true (fz_instant_add (FZ_INSTANT_NEVER, 1) == FZ_INSTANT_NEVER);
  g_assert_cmpuint (fz_instant_since (5, 12), ==, 7);
  g_assert_cmpuint (fz_instant_since (12, 5), ==, 0);
  g_assert_cmpuint (fz_instant_min (3, 2), ==, 2);
}

static void
test_drop_names (void)
{
  for (unsigned i = 0; i < FZ_N_DROPS; i++) {
    const char *name = fz_drop_name ((FzDrop) i);

    g_assert_nonnull (name);
    g_assert_cmpuint (strspn (name, "abcdefghijklmnopqrstuvwxyz-"), ==, strlen (name));
    for (unsigned j = 0; j < i; j++)
      g_assert_cmpstr (name, !=, fz_drop_name ((FzDrop) j));
  }
  g_assert_cmpstr (fz_drop_name (FZ_DROP_BAD_TAG), ==, "bad-tag");
  g_assert_cmpstr (fz_drop_name (FZ_N_DROPS), ==, "unknown");
}

static void
test_checked (void)
{
  size_t size = 1;
  uint64_t number = 1;

  g_assert_true (fz_checked_add_size (SIZE_MAX - 1, 1, &size));
  g_assert_true (size == SIZE_MAX);
  g_assert_false (fz_checked_add_size (SIZE_MAX, 1, &size));
  g_assert_false (fz_checked_mul_size (SIZE_MAX / 2 + 1, 2, &size));
  g_assert_true (size == SIZE_MAX);
  g_assert_true (fz_checked_mul_size (3, 5, &size));
  g_assert_cmpuint (size, ==, 15);

  g_assert_false (fz_checked_add_u64 (UINT64_MAX, 1, &number));
  g_assert_false (fz_checked_mul_u64 (UINT64_C (1) << 32, UINT64_C (1) << 32, &number));
  g_assert_cmpuint (number, ==, 1);
  g_assert_true (fz_checked_mul_u64 (UINT64_C (1) << 32, UINT32_MAX, &number));
  g_assert_true (fz_checked_add_u64 (number, UINT32_MAX, &number));
  g_assert_true (number == UINT64_MAX);
}

static void
test_seeded_rng (void)
{
  FzSeededRng a, b, c;
  FzRng rng_a = fz_seeded_rng (&a), rng_b = fz_seeded_rng (&b), rng_c = fz_seeded_rng (&c);
  uint8_t bytes[13] = { 0 };

  fz_seeded_rng_init (&a, 42);
  fz_seeded_rng_init (&b, 42);
  fz_seeded_rng_init (&c, 43);
  for (int i = 0; i < 100; i++) {
    uint64_t value = fz_rng_u64 (&rng_a);

    g_assert_true (value == fz_rng_u64 (&rng_b));
    g_assert_true (value != fz_rng_u64 (&rng_c));
  }
  fz_rng_fill (&rng_a, bytes, 0);
  g_assert_cmpint (bytes[0], ==, 0);
  fz_rng_fill (&rng_a, bytes, sizeof bytes - 1);
  g_assert_cmpint (bytes[12], ==, 0);
}

/* The reference sequence of xoshiro256** from the state { 1, 2, 3, 4 }. */
static void
test_seeded_rng_vector (void)
{
  static const uint64_t expected[] = {
    UINT64_C (11520),
    UINT64_C (0),
    UINT64_C (1509978240),
    UINT64_C (1215971899390074240),
  };
  FzSeededRng seeded = { { 1, 2, 3, 4 } };
  FzRng rng = fz_seeded_rng (&seeded);

  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpuint (fz_rng_u64 (&rng), ==, expected[i]);
}

static void
fill_ones (void *context, uint8_t *out, size_t length)
{
  unsigned *n_calls = context;

  memset (out, ++*n_calls == 1 ? 0x00 : 0xff, length);
}

static void
test_rng_below (void)
{
  unsigned n_calls = 0, histogram[6] = { 0 };
  FzRng constant = { fill_ones, &n_calls };
  FzSeededRng seeded;
  FzRng rng = fz_seeded_rng (&seeded);

  fz_seeded_rng_init (&seeded, 1);
  g_assert_cmpuint (fz_rng_below (&rng, 0), ==, 0);
  g_assert_cmpuint (fz_rng_below (&rng, 1), ==, 0);
  for (int i = 0; i < 60000; i++)
    histogram[fz_rng_below (&rng, 6)]++;
  for (size_t i = 0; i < 6; i++)
    g_assert_cmpuint (histogram[i], >, 9000);

  /* 2^64 mod 10 is 6: the value 0 would be over-represented and is drawn again */
  g_assert_cmpuint (fz_rng_below (&constant, 10), ==, 5);
  g_assert_cmpuint (n_calls, ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/uuid/text", test_uuid);
  g_test_add_func ("/instant/saturates", test_instant);
  g_test_add_func ("/drop/names", test_drop_names);
  g_test_add_func ("/checked/edges", test_checked);
  g_test_add_func ("/rng/seeded/repeats", test_seeded_rng);
  g_test_add_func ("/rng/seeded/vector", test_seeded_rng_vector);
  g_test_add_func ("/rng/below", test_rng_below);
  return g_test_run ();
}

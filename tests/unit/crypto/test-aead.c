/* test-aead.c: every backend against libsodium's own function, for each length and alignment */

#include "src/base/fz-bytes.h"
#include "src/base/fz-rng.h"
#include "src/crypto/fz-aead.h"
#include "src/crypto/fz-crypto.h"
#include "tests/unit/crypto/hex.h"

#include <glib.h>

#define GUARD 32u

static FzAead *aeads[FZ_N_AEAD_BACKENDS]; /* NULL where the machine has it not */
static FzSeededRng seeded;
static FzRng rng;
static uint8_t key_bytes[FZ_AEAD_KEY_SIZE];
static FzAeadKey *key;

/* Runs @test for each backend that is there; the test's data is the backend's number. */
static FzAead *
aead_of (gconstpointer data)
{
  FzAead *aead = aeads[GPOINTER_TO_UINT (data)];

  if (aead == NULL)
    g_test_skip ("not on this machine");
  return aead;
}

static void
assert_all (const uint8_t *bytes, size_t n, uint8_t value)
{
  for (size_t i = 0; i < n; i++)
    g_assert_cmpuint (bytes[i], ==, value);
}

/* One message, sealed and opened, in place or not, with guards around the targets. */
static void
check_message (FzAead *aead, size_t length, size_t shift, bool is_in_place)
{
  size_t size = GUARD + shift + length + FZ_AEAD_TAG_SIZE + GUARD;
  g_autofree uint8_t *plaintext = g_malloc (length + 1);
  g_autofree uint8_t *expected = g_malloc (length + FZ_AEAD_TAG_SIZE);
  g_autofree uint8_t *first = g_malloc (size), *second = g_malloc (size);
  uint8_t *at = first + GUARD + shift;
  uint8_t *to = is_in_place ? at : second + GUARD + shift;
  FzAeadOp op = { at, to, (uint32_t) length, fz_rng_u64 (&rng) };
  const FzSpan none = { NULL, 0 };

  fz_rng_fill (&rng, plaintext, length);
  fz_chacha_seal (key_bytes, op.counter, fz_span (plaintext, length), none, expected);
  memset (first, 0xa5, size);
  memset (second, 0xa5, size);
  memcpy (at, plaintext, length);

  fz_aead_seal (aead, key, &op, 1);
  g_assert_cmpmem (to, length + FZ_AEAD_TAG_SIZE, expected, length + FZ_AEAD_TAG_SIZE);
  assert_all (to - GUARD, GUARD, 0xa5);
  assert_all (to + length + FZ_AEAD_TAG_SIZE, GUARD, 0xa5);
  if (!is_in_place)
    g_assert_cmpmem (at, length, plaintext, length);

  op.source = to;
  op.target = at;
  if (!is_in_place)
    memset (first, 0x5a, size);
  g_assert_cmpuint (fz_aead_open (aead, key, &op, 1), ==, 1);
  g_assert_cmpmem (at, length, plaintext, length);
  if (is_in_place) /* the tag stays where it was */
    g_assert_cmpmem (to + length, FZ_AEAD_TAG_SIZE, expected + length, FZ_AEAD_TAG_SIZE);
  else
    assert_all (at + length, FZ_AEAD_TAG_SIZE + GUARD, 0x5a);
}

static void
test_lengths (gconstpointer data)
{
  FzAead *aead = aead_of (data);

  if (aead == NULL)
    return;
  for (size_t length = 0; length < 2000; length++) {
    check_message (aead, length, length % 16, true);
    check_message (aead, length, length % 16, false);
  }
  check_message (aead, 65519, 3, true);
}

static void
test_alignments (gconstpointer data)
{
  static const size_t lengths[] = { 0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1312 };
  FzAead *aead = aead_of (data);

  if (aead == NULL)
    return;
  for (size_t shift = 0; shift < 64; shift++)
    for (size_t i = 0; i < G_N_ELEMENTS (lengths); i++)
      check_message (aead, lengths[i], shift, shift % 2 == 0);
}

#define SLOT 2100u

typedef struct {
  uint8_t plaintext[FZ_AEAD_BATCH_MAX][SLOT];
  uint8_t sealed[FZ_AEAD_BATCH_MAX][SLOT];
  FzAeadOp ops[FZ_AEAD_BATCH_MAX];
} Batch;

static void
seal_batch (Batch *batch, FzAead *aead, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    uint32_t length = (uint32_t) fz_rng_below (&rng, 1500);

    fz_rng_fill (&rng, batch->plaintext[i], length);
    batch->ops[i] = (FzAeadOp){ batch->plaintext[i], batch->sealed[i], length, 1000 + i };
  }
  fz_aead_seal (aead, key, batch->ops, n);
}

static void
turn_round (Batch *batch, size_t n)
{
  for (size_t i = 0; i < n; i++)
    batch->ops[i].source = batch->ops[i].target; /* in place */
}

static void
test_batches (gconstpointer data)
{
  FzAead *aead = aead_of (data);
  g_autofree Batch *batch = g_new (Batch, 1);

  if (aead == NULL)
    return;
  for (size_t n = 1; n <= FZ_AEAD_BATCH_MAX; n++) {
    uint64_t all = n == 64 ? UINT64_MAX : (UINT64_C (1) << n) - 1;

    seal_batch (batch, aead, n);
    for (size_t i = 0; i < n; i++) {
      uint8_t expected[SLOT];
      const FzAeadOp *op = &batch->ops[i];

      fz_chacha_seal (
          key_bytes, op->counter, fz_span (op->source, op->length), fz_span (NULL, 0), expected);
      g_assert_cmpmem (
          op->target, op->length + FZ_AEAD_TAG_SIZE, expected, op->length + FZ_AEAD_TAG_SIZE);
    }
    turn_round (batch, n);
    g_assert_cmphex (fz_aead_open (aead, key, batch->ops, n), ==, all);
    for (size_t i = 0; i < n; i++)
      g_assert_cmpmem (
          batch->ops[i].target, batch->ops[i].length, batch->plaintext[i], batch->ops[i].length);
  }
}

/* Bad ones among good ones: the good come out, the bad leave zeros. */
static void
test_tampered (gconstpointer data)
{
  FzAead *aead = aead_of (data);
  g_autofree Batch *batch = g_new (Batch, 1);

  if (aead == NULL)
    return;
  for (int round = 0; round < 100; round++) {
    uint64_t good = fz_rng_u64 (&rng), opened;

    seal_batch (batch, aead, FZ_AEAD_BATCH_MAX);
    turn_round (batch, FZ_AEAD_BATCH_MAX);
    for (size_t i = 0; i < FZ_AEAD_BATCH_MAX; i++) {
      FzAeadOp *op = &batch->ops[i];
      uint64_t bit = fz_rng_below (&rng, (op->length + FZ_AEAD_TAG_SIZE) * 8);

      if ((good >> i & 1) == 0 && i % 4 == 0)
        op->counter ^= UINT64_C (1) << (round % 64);
      else if ((good >> i & 1) == 0)
        op->target[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    opened = fz_aead_open (aead, key, batch->ops, FZ_AEAD_BATCH_MAX);
    g_assert_cmphex (opened, ==, good);
    for (size_t i = 0; i < FZ_AEAD_BATCH_MAX; i++)
      if (good >> i & 1)
        g_assert_cmpmem (
            batch->ops[i].target, batch->ops[i].length, batch->plaintext[i], batch->ops[i].length);
      else
        assert_all (batch->ops[i].target, batch->ops[i].length, 0);
  }
}

/* Each bit of a tag counts. */
static void
test_tag_bits (gconstpointer data)
{
  FzAead *aead = aead_of (data);
  uint8_t sealed[5 + FZ_AEAD_TAG_SIZE], out[5];
  FzAeadOp op = { (const uint8_t *) "hello", sealed, 5, 7 };

  if (aead == NULL)
    return;
  fz_aead_seal (aead, key, &op, 1);
  op.source = sealed;
  op.target = out;
  for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
    sealed[bit / 8] ^= (uint8_t) (1 << bit % 8);
    memset (out, 0xee, sizeof out);
    g_assert_cmpuint (fz_aead_open (aead, key, &op, 1), ==, 0);
    assert_all (out, sizeof out, 0);
    sealed[bit / 8] ^= (uint8_t) (1 << bit % 8);
  }
  g_assert_cmpuint (fz_aead_open (aead, key, &op, 1), ==, 1);
}

/* connectivity.md A.1: the confirming keepalive */
static void
test_keepalive (gconstpointer data)
{
  FzAead *aead = aead_of (data);
  uint8_t bytes[FZ_AEAD_KEY_SIZE], tag[FZ_AEAD_TAG_SIZE];
  FzAeadKey *transport;
  FzAeadOp op = { tag, tag, 0, 0 };

  if (aead == NULL)
    return;
  unhex ("248a29611829aaf7ee8bc8e87df805c1019f08f82d80eb79b7625821ba0a1317", bytes, sizeof bytes);
  transport = fz_aead_key_new (bytes);
  fz_aead_seal (aead, transport, &op, 1);
  assert_hex (tag, sizeof tag, "c7401bed732b18f3c0e395fc3f7435fa");
  g_assert_cmpuint (fz_aead_open (aead, transport, &op, 1), ==, 1);
  tag[15] ^= 0x80;
  g_assert_cmpuint (fz_aead_open (aead, transport, &op, 1), ==, 0);
  fz_aead_key_free (transport);
}

/* Many more keys than a backend may remember, coming and going, in turn and again. */
static void
test_many_keys (gconstpointer data)
{
  enum { N_KEYS = 700 };
  FzAead *aead = aead_of (data);
  FzAeadKey *keys[N_KEYS];
  uint8_t bytes[N_KEYS][FZ_AEAD_KEY_SIZE];

  if (aead == NULL)
    return;
  for (size_t i = 0; i < N_KEYS; i++) {
    fz_rng_fill (&rng, bytes[i], sizeof bytes[i]);
    keys[i] = fz_aead_key_new (bytes[i]);
  }
  for (size_t step = 0; step < 5000; step++) {
    size_t i = (size_t) fz_rng_below (&rng, N_KEYS);
    uint8_t sealed[20 + FZ_AEAD_TAG_SIZE], expected[20 + FZ_AEAD_TAG_SIZE];
    FzAeadOp op = { (const uint8_t *) "twenty bytes of text", sealed, 20, step };

    if (step % 3 == 0) { /* the allocator gives the same place again: the old key must not match */
      fz_aead_key_free (keys[i]);
      fz_rng_fill (&rng, bytes[i], sizeof bytes[i]);
      keys[i] = fz_aead_key_new (bytes[i]);
    }
    fz_aead_seal (aead, keys[i], &op, 1);
    fz_chacha_seal (bytes[i], step, fz_span (op.source, 20), fz_span (NULL, 0), expected);
    g_assert_cmpmem (sealed, sizeof sealed, expected, sizeof expected);
    op.source = op.target;
    g_assert_cmpuint (fz_aead_open (aead, keys[i], &op, 1), ==, 1);
  }
  for (size_t i = 0; i < N_KEYS; i++)
    fz_aead_key_free (keys[i]);
}

static void
test_select (void)
{
  FzAeadReport reports[FZ_N_AEAD_BACKENDS], again[FZ_N_AEAD_BACKENDS];
  FzAeadBackend best = FZ_N_AEAD_BACKENDS, backend;
  int64_t before = g_get_monotonic_time ();

  g_assert_true (fz_aead_select ("auto", &best, reports));
  g_test_message ("selection took %" G_GINT64_FORMAT " us: %s",
                  g_get_monotonic_time () - before,
                  fz_aead_backend_name (best));
  g_assert_true (reports[best].is_trusted);
  for (unsigned i = 0; i < FZ_N_AEAD_BACKENDS; i++) {
    const char *name = fz_aead_backend_name ((FzAeadBackend) i);

    g_test_message ("%s: available %d, trusted %d, %u ns at 1312, %u ns at 96",
                    name,
                    reports[i].is_available,
                    reports[i].is_trusted,
                    reports[i].ns_per_1312,
                    reports[i].ns_per_96);
    g_assert_true (reports[i].is_available == reports[i].is_trusted);
    g_assert_true (reports[i].is_available == (aeads[i] != NULL));
    g_assert_true (reports[i].is_trusted == (reports[i].ns_per_1312 != 0));
    g_assert_true (fz_aead_select (name, &backend, NULL) == reports[i].is_trusted);
    if (reports[i].is_trusted)
      g_assert_cmpint (backend, ==, i);
  }
  g_assert_true (reports[FZ_AEAD_BACKEND_SODIUM].is_trusted);
  g_assert_true (reports[FZ_AEAD_BACKEND_OPENSSL].is_trusted);

  g_assert_true (fz_aead_select ("auto", &backend, again));
  g_assert_cmpint (backend, ==, best);
  g_assert_cmpmem (again, sizeof again, reports, sizeof reports);
}

static void
test_select_unknown (void)
{
  FzAeadBackend backend = FZ_N_AEAD_BACKENDS;

  g_assert_false (fz_aead_select ("", &backend, NULL));
  g_assert_false (fz_aead_select ("Sodium", &backend, NULL));
  g_assert_false (fz_aead_select ("rot13", &backend, NULL));
  g_assert_cmpint (backend, ==, FZ_N_AEAD_BACKENDS);
  g_assert_cmpstr (fz_aead_backend_name (FZ_N_AEAD_BACKENDS), ==, "unknown");
  g_assert_null (fz_aead_new (FZ_N_AEAD_BACKENDS));
}

static gpointer
seal_and_open (gpointer data)
{
  FzAeadBackend backend;
  FzAead *aead;
  Batch *batch = g_new (Batch, 1);

  g_assert_true (fz_aead_select ("auto", &backend, NULL));
  aead = fz_aead_new (backend);
  for (int round = 0; round < 500; round++) {
    for (size_t i = 0; i < 16; i++) {
      memset (batch->plaintext[i], round, 1312);
      batch->ops[i] = (FzAeadOp){ batch->plaintext[i], batch->sealed[i], 1312, i };
    }
    fz_aead_seal (aead, data, batch->ops, 16);
    turn_round (batch, 16);
    g_assert_cmphex (fz_aead_open (aead, data, batch->ops, 16), ==, 0xffff);
  }
  fz_aead_free (aead);
  g_free (batch);
  return NULL;
}

/* A state per thread, one key between them. */
static void
test_threads (void)
{
  GThread *threads[4];

  for (size_t i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("seal", seal_and_open, key);
  for (size_t i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
add_for_each (const char *name, GTestDataFunc test)
{
  for (unsigned i = 0; i < FZ_N_AEAD_BACKENDS; i++) {
    g_autofree char *path =
        g_strdup_printf ("/aead/%s/%s", fz_aead_backend_name ((FzAeadBackend) i), name);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test);
  }
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  fz_seeded_rng_init (&seeded, (uint64_t) (guint32) g_test_rand_int ());
  rng = fz_seeded_rng (&seeded);
  fz_rng_fill (&rng, key_bytes, sizeof key_bytes);
  key = fz_aead_key_new (key_bytes);
  for (unsigned i = 0; i < FZ_N_AEAD_BACKENDS; i++)
    aeads[i] = fz_aead_new ((FzAeadBackend) i);

  g_test_add_func ("/aead/select/fastest", test_select);
  g_test_add_func ("/aead/select/unknown", test_select_unknown);
  add_for_each ("lengths", test_lengths);
  add_for_each ("alignments", test_alignments);
  add_for_each ("batches", test_batches);
  add_for_each ("tampered", test_tampered);
  add_for_each ("tag-bits", test_tag_bits);
  add_for_each ("keepalive", test_keepalive);
  add_for_each ("many-keys", test_many_keys);
  g_test_add_func ("/aead/threads", test_threads);
  result = g_test_run ();

  for (unsigned i = 0; i < FZ_N_AEAD_BACKENDS; i++)
    fz_aead_free (aeads[i]);
  fz_aead_key_free (key);
  fz_aead_key_free (NULL);
  fz_aead_free (NULL);
  return result;
}

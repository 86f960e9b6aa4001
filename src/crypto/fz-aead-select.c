/* fz-aead-select.c
 *
 * Which backend of fz-aead.h to trust, and which to use. Each must give the
 * bytes of RFC 8439 and, for random messages, those of libsodium, and must
 * refuse what was tampered with; then it is timed. All of it happens once per
 * process and takes ten milliseconds, half of them for the timing: programs that
 * are in a hurry call it on a thread beside what they wait for. Every length and
 * alignment is compared in a unit test. A backend that fails is never used, not
 * even by name.
 */

#include "src/base/fz-rng.h"
#include "src/crypto/fz-aead-private.h"
#include "src/crypto/fz-crypto.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LENGTH_MAX  2048u /* bytes of plaintext */
#define GUARD_BYTES 64u   /* around each target: nothing may be written there */
#define SLOT_BYTES  (GUARD_BYTES + LENGTH_MAX + FZ_AEAD_TAG_SIZE + GUARD_BYTES)
#define BATCH_MAX   33u
#define TIMING_NS   500000 /* per size; the fastest batch counts, and 25 are enough for that */

typedef struct {
  uint8_t source[BATCH_MAX][SLOT_BYTES];
  uint8_t target[BATCH_MAX][SLOT_BYTES];
  uint8_t expected[BATCH_MAX][SLOT_BYTES];
  FzAeadOp ops[BATCH_MAX];
} Bench;

static FzAeadReport reports[FZ_N_AEAD_BACKENDS]; /* written by judge_all() only */

/* RFC 8439 A.5 has additional data, which WireGuard's transport never has: the ciphertext is the
 * RFC's, the tag that of the same message without additional data. */
static const uint8_t vector_key[FZ_AEAD_KEY_SIZE] = {
  0x1c, 0x92, 0x40, 0xa5, 0xeb, 0x55, 0xd3, 0x8a, 0xf3, 0x33, 0x88, 0x86, 0x04, 0xf6, 0xb5, 0xf0,
  0x47, 0x39, 0x17, 0xc1, 0x40, 0x2b, 0x80, 0x09, 0x9d, 0xca, 0x5c, 0xbc, 0x20, 0x70, 0x75, 0xc0,
};
static const uint64_t vector_counter = UINT64_C (0x0807060504030201);
static const char vector_plaintext[] =
    "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
    "replaced, or obsoleted by other documents at any time. It is inappropriate to use "
    "Internet-Drafts as reference material or to cite them other than as /\xe2\x80\x9cwork in "
    "progress./\xe2\x80\x9d";
static const uint8_t vector_sealed[] = {
  0x64, 0xa0, 0x86, 0x15, 0x75, 0x86, 0x1a, 0xf4, 0x60, 0xf0, 0x62, 0xc7, 0x9b, 0xe6, 0x43, 0xbd,
  0x5e, 0x80, 0x5c, 0xfd, 0x34, 0x5c, 0xf3, 0x89, 0xf1, 0x08, 0x67, 0x0a, 0xc7, 0x6c, 0x8c, 0xb2,
  0x4c, 0x6c, 0xfc, 0x18, 0x75, 0x5d, 0x43, 0xee, 0xa0, 0x9e, 0xe9, 0x4e, 0x38, 0x2d, 0x26, 0xb0,
  0xbd, 0xb7, 0xb7, 0x3c, 0x32, 0x1b, 0x01, 0x00, 0xd4, 0xf0, 0x3b, 0x7f, 0x35, 0x58, 0x94, 0xcf,
  0x33, 0x2f, 0x83, 0x0e, 0x71, 0x0b, 0x97, 0xce, 0x98, 0xc8, 0xa8, 0x4a, 0xbd, 0x0b, 0x94, 0x81,
  0x14, 0xad, 0x17, 0x6e, 0x00, 0x8d, 0x33, 0xbd, 0x60, 0xf9, 0x82, 0xb1, 0xff, 0x37, 0xc8, 0x55,
  0x97, 0x97, 0xa0, 0x6e, 0xf4, 0xf0, 0xef, 0x61, 0xc1, 0x86, 0x32, 0x4e, 0x2b, 0x35, 0x06, 0x38,
  0x36, 0x06, 0x90, 0x7b, 0x6a, 0x7c, 0x02, 0xb0, 0xf9, 0xf6, 0x15, 0x7b, 0x53, 0xc8, 0x67, 0xe4,
  0xb9, 0x16, 0x6c, 0x76, 0x7b, 0x80, 0x4d, 0x46, 0xa5, 0x9b, 0x52, 0x16, 0xcd, 0xe7, 0xa4, 0xe9,
  0x90, 0x40, 0xc5, 0xa4, 0x04, 0x33, 0x22, 0x5e, 0xe2, 0x82, 0xa1, 0xb0, 0xa0, 0x6c, 0x52, 0x3e,
  0xaf, 0x45, 0x34, 0xd7, 0xf8, 0x3f, 0xa1, 0x15, 0x5b, 0x00, 0x47, 0x71, 0x8c, 0xbc, 0x54, 0x6a,
  0x0d, 0x07, 0x2b, 0x04, 0xb3, 0x56, 0x4e, 0xea, 0x1b, 0x42, 0x22, 0x73, 0xf5, 0x48, 0x27, 0x1a,
  0x0b, 0xb2, 0x31, 0x60, 0x53, 0xfa, 0x76, 0x99, 0x19, 0x55, 0xeb, 0xd6, 0x31, 0x59, 0x43, 0x4e,
  0xce, 0xbb, 0x4e, 0x46, 0x6d, 0xae, 0x5a, 0x10, 0x73, 0xa6, 0x72, 0x76, 0x27, 0x09, 0x7a, 0x10,
  0x49, 0xe6, 0x17, 0xd9, 0x1d, 0x36, 0x10, 0x94, 0xfa, 0x68, 0xf0, 0xff, 0x77, 0x98, 0x71, 0x30,
  0x30, 0x5b, 0xea, 0xba, 0x2e, 0xda, 0x04, 0xdf, 0x99, 0x7b, 0x71, 0x4d, 0x6c, 0x6f, 0x2c, 0x29,
  0xa6, 0xad, 0x5c, 0xb4, 0x02, 0x2b, 0x02, 0x70, 0x9b, 0x6e, 0x35, 0x70, 0xb1, 0xac, 0xaa, 0xf1,
  0xf2, 0x4f, 0x2a, 0x64, 0x4f, 0x01, 0xac, 0xd1, 0x2b,
};

static bool
gives_the_vector (FzAead *aead)
{
  enum { LENGTH = sizeof vector_plaintext - 1 };
  FzAeadKey *key = fz_aead_key_new (vector_key);
  uint8_t sealed[sizeof vector_sealed], opened[LENGTH];
  FzAeadOp op = { (const uint8_t *) vector_plaintext, sealed, LENGTH, vector_counter };
  bool is_right;

  _Static_assert(sizeof vector_sealed == LENGTH + FZ_AEAD_TAG_SIZE, "the vector is whole");
  fz_aead_seal (aead, key, &op, 1);
  is_right = memcmp (sealed, vector_sealed, sizeof sealed) == 0;
  op.source = vector_sealed;
  op.target = opened;
  is_right = is_right && fz_aead_open (aead, key, &op, 1) == 1 &&
             memcmp (opened, vector_plaintext, LENGTH) == 0;
  fz_aead_key_free (key);
  return is_right;
}

/* Random messages at random alignments, some sealed in place; what sodium makes of each. */
static void
prepare_batch (Bench *bench, FzAead *sodium, FzAeadKey *key, const FzRng *rng, size_t n)
{
  FzAeadOp expected[BATCH_MAX];

  for (size_t i = 0; i < n; i++) {
    size_t length = (size_t) fz_rng_below (rng, LENGTH_MAX + 1);
    size_t shift = GUARD_BYTES + (size_t) fz_rng_below (rng, 16);
    bool is_in_place = fz_rng_below (rng, 2) == 0;

    fz_rng_fill (rng, bench->source[i], SLOT_BYTES);
    memset (bench->target[i], 0xa5, SLOT_BYTES);
    memset (bench->expected[i], 0xa5, SLOT_BYTES);
    if (is_in_place) {
      memcpy (bench->target[i], bench->source[i], SLOT_BYTES);
      memcpy (bench->expected[i], bench->source[i], SLOT_BYTES);
    }
    bench->ops[i] = (FzAeadOp){
      .source = (is_in_place ? bench->target[i] : bench->source[i]) + shift,
      .target = bench->target[i] + shift,
      .length = (uint32_t) length,
      .counter = fz_rng_u64 (rng),
    };
    expected[i] = bench->ops[i];
    expected[i].source = bench->source[i] + shift;
    expected[i].target = bench->expected[i] + shift;
  }
  fz_aead_seal (sodium, key, expected, n);
}

static bool
targets_are_as_expected (const Bench *bench, size_t n)
{
  bool is_right = true;

  for (size_t i = 0; i < n; i++)
    is_right = is_right && memcmp (bench->target[i], bench->expected[i], SLOT_BYTES) == 0;
  return is_right;
}

/* Opens what lies in the targets, in place, with one tag or ciphertext bit wrong in every third. */
static bool
opens_as_it_should (Bench *bench, FzAead *aead, FzAeadKey *key, const FzRng *rng, size_t n)
{
  uint64_t expected = 0;

  for (size_t i = 0; i < n; i++) {
    FzAeadOp *op = &bench->ops[i];

    op->source = op->target;
    if (i % 3 == 1)
      op->target[fz_rng_below (rng, op->length + FZ_AEAD_TAG_SIZE)] ^= 0x10;
    else
      expected |= UINT64_C (1) << i;
  }
  if (fz_aead_open (aead, key, bench->ops, n) != expected)
    return false;
  for (size_t i = 0; i < n; i++) {
    const FzAeadOp *op = &bench->ops[i];
    const uint8_t *plaintext = bench->source[i] + (op->target - bench->target[i]);

    if ((expected >> i & 1) != 0 && memcmp (op->target, plaintext, op->length) != 0)
      return false;
  }
  return true;
}

/* Batches of 1 … 33: 561 messages. */
static bool
agrees_with_sodium (FzAead *aead, FzAead *sodium, Bench *bench)
{
  const FzRng system = fz_crypto_rng ();
  FzSeededRng seeded; /* a megabyte from the system would take longer than all the rest */
  FzRng rng = fz_seeded_rng (&seeded);
  uint8_t bytes[FZ_AEAD_KEY_SIZE];
  bool is_right = true;

  fz_seeded_rng_init (&seeded, fz_rng_u64 (&system));
  for (size_t n = 1; n <= BATCH_MAX && is_right; n++) {
    FzAeadKey *key;

    fz_rng_fill (&rng, bytes, sizeof bytes);
    key = fz_aead_key_new (bytes);
    prepare_batch (bench, sodium, key, &rng, n);
    fz_aead_seal (aead, key, bench->ops, n);
    is_right = targets_are_as_expected (bench, n) && opens_as_it_should (bench, aead, key, &rng, n);
    fz_aead_key_free (key);
  }
  return is_right;
}

static int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ns per packet of the fastest batch of 16. */
static uint32_t
time_seal (FzAead *aead, Bench *bench, uint32_t length)
{
  enum { N = 16 };
  FzAeadKey *key = fz_aead_key_new (vector_key);
  int64_t start = now_ns ();
  int64_t before = start, best = INT64_MAX;

  for (size_t i = 0; i < N; i++)
    bench->ops[i] = (FzAeadOp){ bench->source[i], bench->target[i], length, i };
  while (before - start < TIMING_NS) {
    int64_t after;

    fz_aead_seal (aead, key, bench->ops, N);
    after = now_ns ();
    if (after - before < best)
      best = after - before;
    before = after;
  }
  fz_aead_key_free (key);
  return best < N ? 1 : (uint32_t) (best / N);
}

static void
judge (FzAeadBackend backend, FzAead *sodium, Bench *bench)
{
  FzAeadReport *report = &reports[backend];
  FzAead *aead = fz_aead_new (backend);

  report->is_available = aead != NULL;
  report->is_trusted = aead != NULL && sodium != NULL && gives_the_vector (aead) &&
                       agrees_with_sodium (aead, sodium, bench);
  if (report->is_trusted) {
    report->ns_per_1312 = time_seal (aead, bench, 1312);
    report->ns_per_96 = time_seal (aead, bench, 96);
  }
  fz_aead_free (aead);
}

static void
judge_all (void)
{
  Bench *bench = calloc (1, sizeof *bench);
  FzAead *sodium = fz_aead_new (FZ_AEAD_BACKEND_SODIUM);

  if (bench != NULL)
    for (unsigned i = 0; i < FZ_N_AEAD_BACKENDS; i++)
      judge ((FzAeadBackend) i, sodium, bench);
  fz_aead_free (sodium);
  free (bench);
}

/* A download is about one acknowledgement for one or two full packets, so both sizes count. */
static uint32_t
cost (const FzAeadReport *report)
{
  return report->ns_per_1312 + report->ns_per_96;
}

static bool
pick_fastest (FzAeadBackend *out)
{
  int best = -1;

  for (int i = 0; i < FZ_N_AEAD_BACKENDS; i++)
    if (reports[i].is_trusted && (best < 0 || cost (&reports[i]) < cost (&reports[best])))
      best = i;
  if (best < 0)
    return false;
  *out = (FzAeadBackend) best;
  return true;
}

bool
fz_aead_select (const char *name, FzAeadBackend *out, FzAeadReport out_reports[FZ_N_AEAD_BACKENDS])
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, judge_all);
  if (out_reports != NULL)
    memcpy (out_reports, reports, sizeof reports);
  if (strcmp (name, "auto") == 0)
    return pick_fastest (out);
  for (unsigned i = 0; i < FZ_N_AEAD_BACKENDS; i++)
    if (strcmp (name, fz_aead_backend_name ((FzAeadBackend) i)) == 0 && reports[i].is_trusted) {
      *out = (FzAeadBackend) i;
      return true;
    }
  return false;
}

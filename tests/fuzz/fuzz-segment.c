/* fuzz-segment.c
 *
 * A super-packet: 10 bytes of vnet header, then the packet. What is accepted is
 * cut; the pieces must be sound, must join to runs, and the runs must cut into
 * the very same pieces again.
 */
#include "src/dataplane/fz-coalesce.h"
#include "src/dataplane/fz-segment.h"
#include "src/proto/fz-checksum.h"
#include "tests/fuzz/fuzz.h"

#include <glib.h>

typedef struct {
  uint8_t *data; /* the coalescer writes headers here */
  uint8_t *copy; /* what it was */
  uint32_t length;
} Piece;

static void
piece_clear (gpointer data)
{
  Piece *piece = data;

  g_free (piece->data);
  g_free (piece->copy);
}

static void
check_piece (const FzSegmenter *segmenter, const Piece *piece)
{
  FzIpPacket packet;

  /* a single packet's checksum may be asked for anywhere, so what comes of it may be nonsense */
  if (segmenter->header_length == 0)
    return;
  g_assert_cmpint (
      fz_ip_packet_parse (fz_span (piece->data, piece->length), &packet), ==, FZ_DROP_NONE);
  g_assert_cmpuint (packet.length, ==, piece->length);
  g_assert_true (fz_checksum_is_good (&packet));
}

static GArray *
cut (const FzSegmenter *segmenter)
{
  GArray *pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  uint32_t total = 0;

  g_array_set_clear_func (pieces, piece_clear);
  for (uint32_t i = 0; i < segmenter->n_segments; i++) {
    Piece piece = { .length = fz_segmenter_get_length (segmenter, i) };

    piece.data = g_malloc (piece.length);
    fz_segmenter_write (segmenter, i, piece.data);
    piece.copy = g_memdup2 (piece.data, piece.length);
    check_piece (segmenter, &piece);
    total += fz_segmenter_get_payload_length (segmenter, i);
    g_array_append_val (pieces, piece);
  }
  g_assert_cmpuint (total, ==, segmenter->payload_length);
  return pieces;
}

/* The run as one buffer, as the kernel would see it. */
static uint8_t *
flatten (const FzRun *run)
{
  uint8_t *flat = g_malloc (run->length);
  size_t at = 0;

  for (size_t i = 1; i < run->n_iov; i++) {
    g_assert_cmpuint (run->iov[i].iov_len, <=, run->length - at);
    memcpy (flat + at, run->iov[i].iov_base, run->iov[i].iov_len);
    at += run->iov[i].iov_len;
  }
  g_assert_cmpuint (at, ==, run->length);
  return flat;
}

/* Returns how many pieces the run was made of, of those from @first on. */
static size_t
check_run (const FzRun *run, const Piece *first)
{
  g_autofree uint8_t *flat = flatten (run);
  FzSegmenter segmenter;
  g_autoptr (GArray) again = NULL;

  if (run->n_packets == 1) {
    g_assert_cmpmem (flat, run->length, first->copy, first->length);
    return 1;
  }
  g_assert_cmpint (fz_segmenter_init (&segmenter, &run->vnet, flat, run->length, FZ_PACKET_MAX),
                   ==,
                   FZ_DROP_NONE);
  g_assert_cmpuint (segmenter.n_segments, ==, run->n_packets);
  again = cut (&segmenter);
  for (size_t i = 0; i < again->len; i++) {
    const Piece *piece = &g_array_index (again, Piece, i);

    g_assert_cmpmem (piece->data, piece->length, first[i].copy, first[i].length);
  }
  return run->n_packets;
}

static void
join (GArray *pieces, const FzLaneLimits *limits)
{
  FzCoalescer *coalescer = fz_coalescer_new ();
  const FzRun *runs;
  size_t n_runs, n_pieces = 0;

  fz_coalescer_begin (coalescer, limits);
  for (size_t i = 0; i < pieces->len; i++) {
    const Piece *piece = &g_array_index (pieces, Piece, i);
    FzArrival candidate;

    if (fz_ip_packet_parse (fz_span (piece->data, piece->length), &candidate.packet) !=
            FZ_DROP_NONE ||
        candidate.packet.length != piece->length)
      break; /* see check_piece */
    fz_coalescer_examine (coalescer, &candidate, pieces);
    if (!fz_coalescer_join (coalescer, &candidate))
      g_assert_true (fz_coalescer_start (coalescer, &candidate));
    n_pieces++;
  }
  n_runs = fz_coalescer_finish (coalescer, &runs);
  for (size_t i = 0, at = 0; i < n_runs; i++) {
    g_assert_cmpuint (at, <, n_pieces);
    at += check_run (&runs[i], &g_array_index (pieces, Piece, at));
    g_assert_true (i + 1 < n_runs || at == n_pieces);
  }
  fz_coalescer_free (coalescer);
}

static void
try_limits (const FzVnetHeader *vnet, FzSpan packet, uint32_t mtu, const FzLaneLimits *limits)
{
  FzSegmenter segmenter;
  g_autoptr (GArray) pieces = NULL;

  if (fz_segmenter_init (&segmenter, vnet, packet.data, packet.length, mtu) != FZ_DROP_NONE)
    return;
  g_assert_cmpuint (segmenter.n_segments, >=, 1);
  g_assert_cmpuint (segmenter.n_segments, <=, FZ_SEGMENTS_MAX);
  pieces = cut (&segmenter);
  for (size_t i = 0; i < pieces->len; i++)
    g_assert_cmpuint (g_array_index (pieces, Piece, i).length, <=, mtu);
  join (pieces, limits);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const FzLaneLimits all = { 64, true, true, true, 64 }, few = { 1, true, false, true, 3 };
  FzVnetHeader vnet;

  if (size < sizeof vnet || size - sizeof vnet > FZ_PACKET_MAX)
    return 0;
  memcpy (&vnet, data, sizeof vnet);
  data += sizeof vnet;
  size -= sizeof vnet;
  try_limits (&vnet, fz_span (data, size), FZ_MTU, &all);
  try_limits (&vnet, fz_span (data, size), FZ_PACKET_MAX, &few);
  return 0;
}

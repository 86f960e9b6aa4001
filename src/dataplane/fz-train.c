/* fz-train.c: see the header */

#include "src/dataplane/fz-train.h"

#include "src/base/fz-bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE         65536u
#define CHANNEL_HEADER_SIZE 4u /* connectivity.md §9.1: number and length */
#define PIECES_MAX          (FZ_TRAINS_MAX * FZ_TRAIN_SEGMENTS_MAX)

_Static_assert(FZ_TRAIN_BYTES_MAX <= BUFFER_SIZE, "a train fits its buffer");

typedef struct {
  const FzPeer *peer;
  uint32_t generation; /* of the endpoint */
  bool is_closed;      /* a shorter datagram has been appended */
} Key;

struct FzTrainYard {
  size_t n_trains;
  Key keys[FZ_TRAINS_MAX];
  FzTrain trains[FZ_TRAINS_MAX];
  FzTrain pieces[PIECES_MAX];      /* for kernels that take fewer datagrams at once */
  uint8_t (*buffers)[BUFFER_SIZE]; /* used from the first, so only those become resident */
};

FzTrainYard *
fz_train_yard_new (void)
{
  FzTrainYard *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->buffers = aligned_alloc (64, FZ_TRAINS_MAX * sizeof *self->buffers);
  if (self->buffers == NULL)
    abort ();
  return self;
}

void
fz_train_yard_free (FzTrainYard *self)
{
  if (self == NULL)
    return;
  free (self->buffers);
  free (self);
}

void
fz_train_yard_clear (FzTrainYard *self)
{
  self->n_trains = 0;
}

bool
fz_train_yard_is_empty (const FzTrainYard *self)
{
  return self->n_trains == 0;
}

bool
fz_train_yard_has_room (const FzTrainYard *self, uint32_t n_datagrams, uint32_t length)
{
  uint32_t per_train = FZ_TRAIN_BYTES_MAX / (length + CHANNEL_HEADER_SIZE);
  size_t n_free = FZ_TRAINS_MAX - self->n_trains;

  if (per_train > FZ_TRAIN_SEGMENTS_MAX)
    per_train = FZ_TRAIN_SEGMENTS_MAX;
  return n_free >= (n_datagrams + per_train - 1) / per_train;
}

/* The peer's newest train if one more datagram of @length bytes may go there, else NULL. */
static FzTrain *
find_open (
    FzTrainYard *self, const FzPeer *peer, const FzEndpoint *endpoint, uint8_t ecn, uint32_t length)
{
  for (size_t i = self->n_trains; i > 0; i--) {
    const Key *key = &self->keys[i - 1];
    FzTrain *train = &self->trains[i - 1];

    if (key->peer != peer)
      continue;
    if (key->is_closed || key->generation != endpoint->generation || train->ecn != ecn ||
        length > train->segment_size || train->n_segments >= FZ_TRAIN_SEGMENTS_MAX ||
        train->length + length > FZ_TRAIN_BYTES_MAX)
      return NULL;
    return train;
  }
  return NULL;
}

static FzTrain *
open_train (
    FzTrainYard *self, const FzPeer *peer, const FzEndpoint *endpoint, uint8_t ecn, uint32_t length)
{
  size_t i = self->n_trains++;

  assert (i < FZ_TRAINS_MAX); /* the caller asked for room */
  self->keys[i] = (Key){ .peer = peer, .generation = endpoint->generation };
  self->trains[i] = (FzTrain){
    .data = self->buffers[i],
    .segment_size = (uint16_t) length,
    .to = endpoint->remote,
    .from = endpoint->local,
    .ecn = ecn,
    .connection_id = peer->connection_id,
  };
  return &self->trains[i];
}

uint8_t *
fz_train_yard_append (
    FzTrainYard *self, const FzPeer *peer, const FzEndpoint *endpoint, uint8_t ecn, uint32_t length)
{
  uint32_t prefix = endpoint->channel != 0 ? CHANNEL_HEADER_SIZE : 0;
  uint32_t whole = prefix + length;
  FzTrain *train = find_open (self, peer, endpoint, ecn, whole);
  size_t i;
  uint8_t *at;

  if (train == NULL)
    train = open_train (self, peer, endpoint, ecn, whole);
  i = (size_t) (train - self->trains);
  at = self->buffers[i] + train->length;
  if (prefix != 0) {
    fz_put_u16be (at, endpoint->channel);
    fz_put_u16be (at + 2, (uint16_t) length);
  }
  self->keys[i].is_closed = whole < train->segment_size;
  train->length += whole;
  train->n_segments++;
  return at + prefix;
}

static size_t
cut_train (const FzTrain *train, uint16_t n_segments_max, FzTrain *out)
{
  size_t n_pieces = 0;

  for (uint16_t first = 0; first < train->n_segments; first += n_segments_max) {
    uint32_t at = (uint32_t) first * train->segment_size;
    uint16_t n_left = train->n_segments - first;
    bool is_last = n_left <= n_segments_max;
    FzTrain *piece = &out[n_pieces++];

    *piece = *train;
    piece->data += at;
    piece->n_segments = is_last ? n_left : n_segments_max;
    piece->length = is_last ? train->length - at : (uint32_t) n_segments_max * train->segment_size;
    if (piece->length < piece->segment_size)
      piece->segment_size = (uint16_t) piece->length;
  }
  return n_pieces;
}

size_t
fz_train_yard_list (FzTrainYard *self, uint16_t n_segments_max, const FzTrain **out_trains)
{
  size_t n_pieces = 0;

  if (n_segments_max >= FZ_TRAIN_SEGMENTS_MAX) {
    *out_trains = self->trains;
    return self->n_trains;
  }
  if (n_segments_max == 0)
    n_segments_max = 1;
  for (size_t i = 0; i < self->n_trains; i++)
    n_pieces += cut_train (&self->trains[i], n_segments_max, &self->pieces[n_pieces]);
  *out_trains = self->pieces;
  return n_pieces;
}

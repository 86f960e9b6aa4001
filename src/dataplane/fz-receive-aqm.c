/* fz-receive-aqm.c: see the header */

#include "src/dataplane/fz-receive-aqm.h"

#include "src/proto/fz-wireguard.h"

#define CHANNEL_HEADER_SIZE 4u
#define SHARE_MAX           (UINT32_C (1) << 30) /* bytes: sums of all lines fit 64 bits with ease */
#define SPARSE              8u /* who has less than that part of the largest share is not counted */
#define HASH                UINT32_C (0x9e3779b1)

/* Of the buffer's first data message, relayed or not: the peer's number, the same for all of its
 * sessions. 0: it is something else. */
static uint32_t
peer_of (const FzUdpBuffer *buffer)
{
  uint32_t at = 0;

  if (buffer->length >= CHANNEL_HEADER_SIZE && (buffer->data[0] & 0xf0) == 0x40)
    at = CHANNEL_HEADER_SIZE;
  if (buffer->length < at + FZ_WIREGUARD_DATA_HEADER_SIZE ||
      fz_get_u32le (buffer->data + at) != FZ_WIREGUARD_DATA)
    return 0;
  return fz_get_u32le (buffer->data + at + 4) >> 8;
}

static uint32_t *
share_of (FzReceiveAqm *self, uint32_t peer)
{
  _Static_assert(FZ_RECEIVE_SHARES == 1u << 6, "the hash's top bits are the line");
  return &self->shares[peer * HASH >> 26];
}

static void
halve (FzReceiveAqm *self, FzInstant now)
{
  uint64_t n = fz_instant_since (self->halved_at, now) / FZ_RECEIVE_HALVING_NS;

  if (n == 0)
    return;
  self->halved_at = fz_instant_add (self->halved_at, n * FZ_RECEIVE_HALVING_NS);
  for (size_t i = 0; i < FZ_RECEIVE_SHARES; i++)
    self->shares[i] = n < 32 ? self->shares[i] >> n : 0;
}

static void
note_shares (FzReceiveAqm *self, const FzUdpBuffer *buffers, size_t n_buffers)
{
  for (size_t i = 0; i < n_buffers; i++) {
    uint32_t peer = peer_of (&buffers[i]);
    uint32_t *share = share_of (self, peer);

    if (peer != 0 && *share < SHARE_MAX)
      *share += buffers[i].length;
  }
}

/* The mean of those that have some part in the queue. Who has hardly any is served anyway, and must
 * not make the others' part look large. */
static uint32_t
fair_share (const FzReceiveAqm *self)
{
  uint64_t sum = 0, n = 0;
  uint32_t largest = 0;

  for (size_t i = 0; i < FZ_RECEIVE_SHARES; i++)
    largest = self->shares[i] > largest ? self->shares[i] : largest;
  for (size_t i = 0; i < FZ_RECEIVE_SHARES; i++)
    if (self->shares[i] > largest / SPARSE) {
      sum += self->shares[i];
      n++;
    }
  return n > 0 ? (uint32_t) (sum / n) : 0;
}

/* The largest buffer of the peer that has most, if that is its share or more; NULL: of those that
 * are in this turn nobody has. */
static const FzUdpBuffer *
find_target (FzReceiveAqm *self, const FzUdpBuffer *buffers, size_t n_buffers)
{
  uint32_t most = fair_share (self);
  const FzUdpBuffer *target = NULL;

  for (size_t i = 0; i < n_buffers; i++) {
    uint32_t peer = peer_of (&buffers[i]), share = *share_of (self, peer);

    if (peer == 0 || share < most ||
        (share == most && target != NULL && buffers[i].length <= target->length))
      continue;
    most = share;
    target = &buffers[i];
  }
  return target;
}

void
fz_receive_aqm_init (FzReceiveAqm *self, const FzCodelConfig *config)
{
  *self = (FzReceiveAqm){ .config = *config };
}

/* A turn's buffers depart together. The newest has waited least: where the turn has emptied the
 * socket that is next to nothing, and no queue stands. What is owed for longer than an interval was
 * meant for a queue that is gone. */
void
fz_receive_aqm_begin (FzReceiveAqm *self,
                      const FzUdpBuffer *buffers,
                      size_t n_buffers,
                      FzInstant now)
{
  halve (self, now);
  note_shares (self, buffers, n_buffers);
  if (fz_instant_since (self->owed_at, now) > self->config.interval_ns)
    self->n_owed = 0;
  for (size_t i = 0; i < n_buffers; i++)
    if (fz_codel_should_signal (
            &self->codel, &self->config, buffers[i].sojourn_ns, n_buffers > 1, now)) {
      self->owed_at = now;
      self->n_owed += self->n_owed < FZ_RECEIVE_OWED_MAX;
    }
  self->target = self->n_owed > 0 ? find_target (self, buffers, n_buffers) : NULL;
}

/* fz-receive-aqm.c: see the header */

#include "src/dataplane/fz-receive-aqm.h"

#include "src/proto/fz-wireguard.h"

#define CHANNEL_HEADER_SIZE 4u

/* The receiver index of the buffer's first data message, relayed or not; 0: it is something else.
 */
static uint32_t
session_of (const FzUdpBuffer *buffer)
{
  uint32_t at = 0;

  if (buffer->length >= CHANNEL_HEADER_SIZE && (buffer->data[0] & 0xf0) == 0x40)
    at = CHANNEL_HEADER_SIZE;
  if (buffer->length < at + FZ_WIREGUARD_DATA_HEADER_SIZE ||
      fz_get_u32le (buffer->data + at) != FZ_WIREGUARD_DATA)
    return 0;
  return fz_get_u32le (buffer->data + at + 4);
}

static uint64_t
bytes_of_session (const FzUdpBuffer *buffers, size_t n_buffers, uint32_t session)
{
  uint64_t bytes = 0;

  for (size_t i = 0; i < n_buffers; i++)
    bytes += session_of (&buffers[i]) == session ? buffers[i].length : 0;
  return bytes;
}

/* The largest buffer of the session with most bytes; a turn's buffers are few. */
static const FzUdpBuffer *
find_target (const FzUdpBuffer *buffers, size_t n_buffers)
{
  const FzUdpBuffer *target = NULL;
  uint64_t most = 0;

  for (size_t i = 0; i < n_buffers; i++) {
    uint32_t session = session_of (&buffers[i]);
    uint64_t bytes = session != 0 ? bytes_of_session (buffers, n_buffers, session) : 0;

    if (bytes > most || (bytes == most && target != NULL && buffers[i].length > target->length)) {
      most = bytes;
      target = &buffers[i];
    }
  }
  return target;
}

void
fz_receive_aqm_init (FzReceiveAqm *self, const FzCodelConfig *config)
{
  *self = (FzReceiveAqm){ .config = *config };
}

/* A turn's buffers depart together. The newest has waited least: where the turn has emptied the
 * socket that is next to nothing, and no queue stands. */
void
fz_receive_aqm_begin (FzReceiveAqm *self,
                      const FzUdpBuffer *buffers,
                      size_t n_buffers,
                      FzInstant now)
{
  self->n_signals = 0;
  for (size_t i = 0; i < n_buffers; i++)
    self->n_signals += fz_codel_should_signal (
        &self->codel, &self->config, buffers[i].sojourn_ns, n_buffers > 1, now);
  self->target = self->n_signals > 0 ? find_target (buffers, n_buffers) : NULL;
}

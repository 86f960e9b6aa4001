/* fz-packet-buffer.c
 *
 * A ring of owned copies. Finding a double compares lengths first, so that a
 * push costs a walk over at most 128 numbers; see the header.
 */
#include "src/engine/fz-packet-buffer.h"

#include "src/base/fz-bytes.h"

#include <string.h>

#define MAX_PACKETS 1024u

#define PROTOCOL_TCP 6u
#define TCP_SYN      0x02u
#define TCP_ACK      0x10u

typedef struct {
  uint8_t *data;
  size_t length; /* bytes */
} Packet;

struct FzPacketBuffer {
  Packet *ring;
  size_t capacity; /* packets */
  size_t first;    /* index of the oldest */
  size_t n_packets;
  size_t n_bytes;
  uint64_t n_dropped;
  uint64_t *given_up; /* NULL: nobody asks */
  uint8_t *popped;    /* what the last pop handed out */
};

FzPacketBuffer *
fz_packet_buffer_new (size_t max_packets, uint64_t *given_up)
{
  FzPacketBuffer *self = g_new0 (FzPacketBuffer, 1);

  g_assert (max_packets >= 1 && max_packets <= MAX_PACKETS);
  self->capacity = max_packets;
  self->given_up = given_up;
  self->ring = g_new0 (Packet, max_packets);
  return self;
}

void
fz_packet_buffer_free (FzPacketBuffer *self)
{
  if (self == NULL)
    return;
  fz_packet_buffer_clear (self);
  g_free (self->ring);
  g_free (self);
}

static Packet *
packet_at (FzPacketBuffer *self, size_t i)
{
  return &self->ring[(self->first + i) % self->capacity];
}

/* Where a packet's TCP header stands; NULL if it is not TCP or too short for one. */
static const uint8_t *
find_tcp (FzSpan packet)
{
  const uint8_t *p = packet.data;
  size_t at;

  if (packet.length >= 20 && p[0] >> 4 == 4 && p[9] == PROTOCOL_TCP)
    at = (size_t) (p[0] & 0x0f) * 4;
  else if (packet.length >= 40 && p[0] >> 4 == 6 && p[6] == PROTOCOL_TCP)
    at = 40;
  else
    return NULL;
  return at <= packet.length && packet.length - at >= 20 ? p + at : NULL;
}

/* What makes two SYNs the same attempt: addresses, ports and sequence number. False if @packet is
 * no SYN. */
static bool
read_syn (FzSpan packet, uint8_t out_key[1 + 32 + 8])
{
  const uint8_t *tcp = find_tcp (packet);
  bool is_v4;

  if (tcp == NULL || (tcp[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN)
    return false;
  is_v4 = packet.data[0] >> 4 == 4;
  memset (out_key, 0, 1 + 32 + 8);
  out_key[0] = is_v4 ? 4 : 6;
  memcpy (out_key + 1, packet.data + (is_v4 ? 12 : 8), is_v4 ? 8 : 32);
  memcpy (out_key + 33, tcp, 8);
  return true;
}

static Packet *
find_equal (FzPacketBuffer *self, FzSpan packet)
{
  for (size_t i = 0; i < self->n_packets; i++) {
    Packet *p = packet_at (self, i);

    if (p->length == packet.length && memcmp (p->data, packet.data, packet.length) == 0)
      return p;
  }
  return NULL;
}

static Packet *
find_same_syn (FzPacketBuffer *self, FzSpan packet)
{
  uint8_t wanted[1 + 32 + 8], key[1 + 32 + 8];

  if (!read_syn (packet, wanted))
    return NULL;
  for (size_t i = 0; i < self->n_packets; i++) {
    Packet *p = packet_at (self, i);

    if (read_syn (fz_span (p->data, p->length), key) && memcmp (key, wanted, sizeof key) == 0)
      return p;
  }
  return NULL;
}

static void
drop_oldest (FzPacketBuffer *self)
{
  Packet *p = packet_at (self, 0);

  self->n_bytes -= p->length;
  g_clear_pointer (&p->data, g_free);
  self->first = (self->first + 1) % self->capacity;
  self->n_packets--;
}

static void
replace (FzPacketBuffer *self, Packet *old, FzSpan packet)
{
  self->n_bytes = self->n_bytes - old->length + packet.length;
  g_free (old->data);
  *old = (Packet){ g_memdup2 (packet.data, packet.length), packet.length };
  while (self->n_bytes > FZ_PACKET_BUFFER_BYTES_MAX) {
    drop_oldest (self);
    self->n_dropped++;
  }
}

static void
append (FzPacketBuffer *self, FzSpan packet)
{
  while (self->n_packets == self->capacity ||
         packet.length > FZ_PACKET_BUFFER_BYTES_MAX - self->n_bytes) {
    drop_oldest (self);
    self->n_dropped++;
  }
  *packet_at (self, self->n_packets) =
      (Packet){ g_memdup2 (packet.data, packet.length), packet.length };
  self->n_packets++;
  self->n_bytes += packet.length;
}

size_t
fz_packet_buffer_push (FzPacketBuffer *self, FzSpan packet)
{
  uint64_t before = self->n_dropped;
  Packet *same_syn;

  if (packet.length == 0 || packet.length > FZ_PACKET_BUFFER_BYTES_MAX) {
    self->n_dropped++;
    return 1;
  }
  if (find_equal (self, packet) != NULL)
    return 0;
  same_syn = find_same_syn (self, packet);
  if (same_syn != NULL)
    replace (self, same_syn, packet);
  else
    append (self, packet);
  return self->n_dropped - before;
}

bool
fz_packet_buffer_pop (FzPacketBuffer *self, FzSpan *out)
{
  Packet *p;

  g_clear_pointer (&self->popped, g_free);
  if (self->n_packets == 0)
    return false;

  p = packet_at (self, 0);
  *out = fz_span (p->data, p->length);
  self->popped = g_steal_pointer (&p->data);
  drop_oldest (self);
  return true;
}

void
fz_packet_buffer_clear (FzPacketBuffer *self)
{
  g_clear_pointer (&self->popped, g_free);
  if (self->given_up != NULL)
    *self->given_up += self->n_packets;
  while (self->n_packets > 0)
    drop_oldest (self);
}

size_t
fz_packet_buffer_get_n_packets (const FzPacketBuffer *self)
{
  return self->n_packets;
}

size_t
fz_packet_buffer_get_n_bytes (const FzPacketBuffer *self)
{
  return self->n_bytes;
}

uint64_t
fz_packet_buffer_get_n_dropped (const FzPacketBuffer *self)
{
  return self->n_dropped;
}

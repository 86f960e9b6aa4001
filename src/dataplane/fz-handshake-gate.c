/* fz-handshake-gate.c
 *
 * The ends of the records that are in the ring, oldest first, for each share; see
 * the header.
 */

#include "src/dataplane/fz-handshake-gate.h"

#include "src/crypto/fz-crypto.h"
#include "src/dataplane/fz-lane-message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX          256u /* bytes of the ring that one message takes, in a channel or not */
#define INITIATIONS_DIVISOR 4u   /* of the ring */
#define REPLIES_DIVISOR     16u
#define STRANGERS_DIVISOR   8u

_Static_assert(sizeof (FzLaneMessage) + 4 + FZ_WIREGUARD_HANDSHAKE_MAX + 16 <= RECORD_MAX,
               "with the ring's own header and padding");

typedef struct {
  uint64_t *ends; /* positions in the ring */
  uint32_t size;
  uint32_t n_added, n_gone; /* running */
} Share;

struct FzHandshakeGate {
  const FzRing *ring;
  Share initiations;
  Share replies;
  Share strangers; /* a long record takes several places */
  FzMac *mac;
  uint8_t mac_key[FZ_KEY_SIZE]; /* what @mac is keyed with */
};

static void
share_init (Share *self, const FzRing *ring, uint32_t divisor)
{
  self->size = (uint32_t) (fz_ring_get_capacity (ring) / divisor / RECORD_MAX);
  self->ends = calloc (self->size, sizeof *self->ends);
  if (self->size == 0 || self->ends == NULL)
    abort ();
}

static bool
share_has_places (Share *self, const FzRing *ring, uint32_t n)
{
  while (self->n_gone != self->n_added &&
         fz_ring_is_consumed (ring, self->ends[self->n_gone % self->size]))
    self->n_gone++;
  return self->n_added - self->n_gone + n <= self->size;
}

static void
share_note (Share *self, const FzRing *ring)
{
  assert (self->n_added - self->n_gone < self->size);
  self->ends[self->n_added++ % self->size] = fz_ring_position (ring);
}

FzHandshakeGate *
fz_handshake_gate_new (const FzRing *ring)
{
  FzHandshakeGate *self = calloc (1, sizeof *self);

  if (self == NULL)
    abort ();
  self->ring = ring;
  share_init (&self->initiations, ring, INITIATIONS_DIVISOR);
  share_init (&self->replies, ring, REPLIES_DIVISOR);
  share_init (&self->strangers, ring, STRANGERS_DIVISOR);
  self->mac = fz_mac_new (self->mac_key);
  return self;
}

void
fz_handshake_gate_free (FzHandshakeGate *self)
{
  if (self == NULL)
    return;
  fz_mac_free (self->mac);
  free (self->initiations.ends);
  free (self->replies.ends);
  free (self->strangers.ends);
  free (self);
}

static bool
is_mac1_right (FzHandshakeGate *self, const FzWireguardMessage *message, const uint8_t *key)
{
  FzSpan covered = { message->datagram.data, (size_t) (message->mac1 - message->datagram.data) };
  uint8_t expected[FZ_MAC_SIZE];

  if (memcmp (self->mac_key, key, FZ_KEY_SIZE) != 0) { /* no secret: it follows from a public key */
    memcpy (self->mac_key, key, FZ_KEY_SIZE);
    fz_mac_set_key (self->mac, key);
  }
  fz_mac_compute (self->mac, covered, expected);
  return fz_equal_constant_time (expected, message->mac1, FZ_MAC_SIZE);
}

static Share *
share_of (FzHandshakeGate *self, const FzWireguardMessage *message)
{
  assert (message->type != FZ_WIREGUARD_DATA);
  return message->type == FZ_WIREGUARD_INITIATION ? &self->initiations : &self->replies;
}

FzDrop
fz_handshake_gate_check (FzHandshakeGate *self,
                         const FzWireguardMessage *message,
                         const uint8_t *mac1_key)
{
  if (mac1_key != NULL && message->mac1 != NULL && !is_mac1_right (self, message, mac1_key))
    return FZ_DROP_BAD_MAC;
  return share_has_places (share_of (self, message), self->ring, 1) ? FZ_DROP_NONE
                                                                    : FZ_DROP_RATE_LIMITED;
}

void
fz_handshake_gate_note (FzHandshakeGate *self, const FzWireguardMessage *message)
{
  share_note (share_of (self, message), self->ring);
}

static uint32_t
places_of (size_t length)
{
  return (uint32_t) ((sizeof (FzLaneMessage) + length + 20) / RECORD_MAX) + 1;
}

bool
fz_handshake_gate_has_place (FzHandshakeGate *self, size_t length)
{
  return share_has_places (&self->strangers, self->ring, places_of (length));
}

void
fz_handshake_gate_note_stranger (FzHandshakeGate *self, size_t length)
{
  for (uint32_t i = places_of (length); i > 0; i--)
    share_note (&self->strangers, self->ring);
}

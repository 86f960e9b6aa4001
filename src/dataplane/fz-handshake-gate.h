/* fz-handshake-gate.h
 *
 * What a handshake message, or anything of a stranger, must pass in a lane before it
 * gets a place in the ring to the engine (dataplane.md §8.3, §14):
 *
 *   mac1    who does not know our public key is turned away for a hash's price
 *   share   who does know it, and everybody may, fills a part of the ring at most:
 *           STUN, TURN and what is said of peers always find place beside it
 *
 * Initiations have a share of their own, a quarter of the ring; responses and
 * cookie replies another, a sixteenth, lest those who want something of us keep
 * out what we have asked for. STUN and ChannelData of addresses that the engine has
 * not written to (fz-flow-marks.h) have an eighth: enough for peers that we do not
 * know yet, and no more for garbage. The engine checks mac1 once more: it is the one that
 * knows which key is ours now.
 *
 * Belongs to a lane's receive half, the only one to write such messages.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-ring.h"
#include "src/proto/fz-wireguard.h"

typedef struct FzHandshakeGate FzHandshakeGate;

FzHandshakeGate *fz_handshake_gate_new (const FzRing *ring); /* borrowed; aborts without memory */
void fz_handshake_gate_free (FzHandshakeGate *self);

/**
 * fz_handshake_gate_check:
 * @message: anything but data
 * @mac1_key: FZ_KEY_SIZE bytes, of the published snapshot; NULL: mac1 is the engine's affair
 *
 * Returns: FZ_DROP_NONE if it may be handed over; FZ_DROP_BAD_MAC; FZ_DROP_RATE_LIMITED if its
 *   share of the ring is full of others that the engine has not looked at yet
 */
FzDrop fz_handshake_gate_check (FzHandshakeGate *self,
                                const FzWireguardMessage *message,
                                const uint8_t *mac1_key);

/* The same for something else of @length bytes that a stranger sent. */
bool fz_handshake_gate_has_place (FzHandshakeGate *self, size_t length);
void fz_handshake_gate_note_stranger (FzHandshakeGate *self, size_t length);

/* @message's record, and nothing after it, has been committed to the ring. */
void fz_handshake_gate_note (FzHandshakeGate *self, const FzWireguardMessage *message);

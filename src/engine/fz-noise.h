/* fz-noise.h
 *
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s with WireGuard's prologue
 * and messages (connectivity.md §2.3): pure functions over small structs. Who
 * may shake hands when is fz-tunnel.h's affair; mac1 and mac2 are fz-cookie.h's,
 * so the last 32 bytes of a written message are left alone.
 *
 * All structs here hold secrets: their owner keeps them in locked memory, or on
 * the stack with a cleanup that wipes.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/crypto/fz-crypto.h"
#include "src/engine/fz-identity.h"
#include "src/proto/fz-wireguard.h"

#include <glib.h>

#define FZ_TAI64N_SIZE 12u /* bytes */

/* Of nanoseconds since 1970. Byte order is time order. */
void fz_tai64n_write (uint64_t unix_ns, uint8_t out[FZ_TAI64N_SIZE]);

/* What both sides know of each other beforehand. */
typedef struct {
  uint8_t public_key[FZ_KEY_SIZE];    /* the peer's */
  uint8_t preshared_key[FZ_KEY_SIZE]; /* zero: none */
  uint8_t static_static[FZ_KEY_SIZE]; /* DH of both static keys, made once */
} FzNoisePeer;

/* False for a public key that is a low-order point: no handshake can be made with it. */
bool fz_noise_peer_init (FzNoisePeer *self,
                         const FzIdentity *identity,
                         const uint8_t public_key[FZ_KEY_SIZE],
                         const uint8_t preshared_key[FZ_KEY_SIZE]);

typedef struct {
  uint8_t chaining_key[FZ_HASH_SIZE];
  uint8_t hash[FZ_HASH_SIZE];
} FzNoiseState;

/* The two keys of a session. */
typedef struct {
  uint8_t send[FZ_KEY_SIZE];
  uint8_t receive[FZ_KEY_SIZE];
} FzNoiseKeys;

void fz_noise_keys_clear (FzNoiseKeys *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzNoiseKeys, fz_noise_keys_clear)

/* -- initiator -- */

/* Our initiation while it waits for its response. */
typedef struct {
  FzNoiseState state;
  uint8_t ephemeral[FZ_KEY_SIZE]; /* private */
  uint32_t local_index;
} FzNoiseHandshake;

/* Makes an initiation but for its macs. The ephemeral key is drawn from @rng. */
void fz_noise_write_initiation (const FzIdentity *identity,
                                const FzNoisePeer *peer,
                                const FzRng *rng,
                                uint32_t local_index,
                                const uint8_t timestamp[FZ_TAI64N_SIZE],
                                FzNoiseHandshake *out_handshake,
                                uint8_t out[FZ_WIREGUARD_INITIATION_SIZE]);

/* @handshake is unchanged, so that a forged response costs nothing: FZ_DROP_BAD_TAG. */
FzDrop fz_noise_read_response (const FzNoiseHandshake *handshake,
                               const FzIdentity *identity,
                               const FzNoisePeer *peer,
                               const FzWireguardMessage *message,
                               FzNoiseKeys *out_keys);

/* -- responder -- */

/* An initiation of which the sender's static key has been opened, not yet who that is. */
typedef struct {
  FzNoiseState state;
  uint8_t public_key[FZ_KEY_SIZE]; /* the sender's static key */
  uint8_t ephemeral[FZ_KEY_SIZE];  /* its public ephemeral key */
  uint32_t remote_index;
} FzNoiseInitiation;

void fz_noise_initiation_clear (FzNoiseInitiation *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzNoiseInitiation, fz_noise_initiation_clear)

/* One DH: tells by whose tunnel @message (past fz_identity_admit) is to be handled.
 * FZ_DROP_BAD_TAG if it is not for us. */
FzDrop fz_noise_open_initiation (const FzIdentity *identity,
                                 const FzWireguardMessage *message,
                                 FzNoiseInitiation *out);

/* Authenticates the sender: after this the initiation is @peer's, though it may be replayed. */
FzDrop fz_noise_read_timestamp (FzNoiseInitiation *self,
                                const FzNoisePeer *peer,
                                const FzWireguardMessage *message,
                                uint8_t out_timestamp[FZ_TAI64N_SIZE]);

/* What a response is made of besides the initiation. */
typedef struct {
  uint32_t local_index;
  uint8_t ephemeral[FZ_KEY_SIZE]; /* private */
  uint8_t preshared_key[FZ_KEY_SIZE];
} FzNoiseAnswer;

/* Draws the ephemeral key from @rng; no arithmetic yet. */
void fz_noise_answer_init (FzNoiseAnswer *self,
                           const FzNoisePeer *peer,
                           const FzRng *rng,
                           uint32_t local_index);
void fz_noise_answer_clear (FzNoiseAnswer *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzNoiseAnswer, fz_noise_answer_clear)

/* Makes the response but for its macs, after fz_noise_read_timestamp. FZ_DROP_BAD_HEADER if the
 * sender's ephemeral key is a low-order point. */
FzDrop fz_noise_write_response (FzNoiseInitiation *self,
                                const FzNoiseAnswer *answer,
                                uint8_t out[FZ_WIREGUARD_RESPONSE_SIZE],
                                FzNoiseKeys *out_keys);

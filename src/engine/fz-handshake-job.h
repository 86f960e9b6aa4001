/* fz-handshake-job.h
 *
 * The curve arithmetic of one initiation that came, as a piece of work that any
 * thread can do: 30 us to learn who sent it, 80 us more to answer. The engine
 * makes it, whoever runs it touches nothing else, the engine takes it back and
 * decides. All that it needs is copied or immutable; the ephemeral key is drawn
 * by the engine, so the bytes do not depend on who computes them when.
 *
 *   engine: OPEN ──► run ──► engine: whose is it? fresh? RESPOND ──► run ──► engine: session
 *
 * In two steps, so that what is forged or replayed costs the first only. Our own
 * initiations, and the responses to them, stay with the engine: only a peer that
 * starts handshakes makes them, and it does so every two minutes.
 *
 * Holds secrets, so it lives in locked memory and is wiped. The engine's thread
 * makes and frees it.
 */
#pragma once

#include "src/dataplane/fz-peer.h"
#include "src/engine/fz-noise.h"

#define FZ_HANDSHAKE_JOBS_MAX  1024u /* initiations in work; dataplane.md §14 */
/* More than this in work, and whoever wants an answer must prove its address. */
#define FZ_HANDSHAKE_JOBS_LOAD (FZ_HANDSHAKE_JOBS_MAX / 8)

typedef enum {
  FZ_HANDSHAKE_JOB_OPEN,
  FZ_HANDSHAKE_JOB_RESPOND,
} FzHandshakeJobKind;

typedef struct {
  FzHandshakeJobKind kind;
  FzIdentity *identity; /* a reference */
  FzEndpoint origin;    /* of the initiation */
  uint8_t datagram[FZ_WIREGUARD_INITIATION_SIZE];

  FzDrop drop;                  /* out: FZ_DROP_NONE if the step was done */
  FzNoiseInitiation initiation; /* out of OPEN, in of RESPOND */

  /* RESPOND */
  uint32_t connection_id;
  FzNoiseAnswer answer;                         /* in */
  uint8_t response[FZ_WIREGUARD_RESPONSE_SIZE]; /* out, but for its macs */
  FzNoiseKeys keys;                             /* out */
} FzHandshakeJob;

/* An OPEN. @datagram: a whole initiation, past fz_identity_admit. */
FzHandshakeJob *
fz_handshake_job_new (FzIdentity *identity, FzSpan datagram, const FzEndpoint *origin);
void fz_handshake_job_free (FzHandshakeJob *self); /* wipes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzHandshakeJob, fz_handshake_job_free)

/* Any thread, one at a time. */
void fz_handshake_job_run (FzHandshakeJob *self);

/* The message of @self's datagram; valid as long as the job. */
FzWireguardMessage fz_handshake_job_get_message (const FzHandshakeJob *self);

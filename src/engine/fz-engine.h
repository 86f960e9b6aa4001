/* fz-engine.h
 *
 * connlib's slow path as one sans-IO object: WireGuard handshakes and timers,
 * STUN, ICE, resources, authorizations, first packets of a flow, errors. No
 * clock, socket, thread or random device: time and randomness come in, bytes
 * and events go out. One seed, one run.
 *
 * Data packets of an established session do not come here: the lanes carry
 * them, by what the engine publishes (src/dataplane/fz-snapshot.h).
 *
 * After any handle_ call the host does, in this order: poll_transmit until
 * false and send; poll_packet until false and write to the TUN; fz_engine_publish;
 * poll_event until false. So a packet that waited in the engine leaves before a lane
 * can send a newer one.
 */
#pragma once

#include "src/base/fz-drop.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-log.h"
#include "src/base/fz-rng.h"
#include "src/base/fz-span.h"
#include "src/dataplane/fz-lane-message.h"
#include "src/dataplane/fz-snapshot.h"
#include "src/dataplane/fz-steering.h"
#include "src/engine/fz-command.h"
#include "src/engine/fz-event.h"
#include "src/engine/fz-handshake-job.h"
#include "src/engine/fz-handshake-times.h"
#include "src/engine/fz-view.h"

#include <glib.h>

#define FZ_ENGINE_ERROR (fz_engine_error_quark ())
GQuark fz_engine_error_quark (void);

typedef enum {
  FZ_ENGINE_ERROR_WRONG_ROLE, /* the command belongs to another role */
  FZ_ENGINE_ERROR_INVALID,    /* a value no peer may send */
  FZ_ENGINE_ERROR_TOO_MANY,   /* a named maximum is reached */
  FZ_ENGINE_ERROR_UNKNOWN_ID, /* resource, peer or relay is not known; harmless */
} FzEngineError;

typedef struct {
  FzRole role;
  FzRng rng;                  /* outlives the engine */
  FzLog log;                  /* its sink outlives the engine */
  FzPublished *published;     /* borrowed; outlives the engine */
  uint64_t unix_ns_at_zero;   /* wall clock at FzInstant 0, for TAI64N and expiry */
  const uint8_t *private_key; /* FZ_KEY_SIZE bytes; NULL: a fresh one from rng */
  FzSteering steering;        /* connections are spread over its lanes; zero: one lane */
  bool has_workers;           /* the host polls jobs; else the engine does all work itself */
} FzEngineConfig;

typedef struct FzEngine FzEngine;

FzEngine *fz_engine_new (const FzEngineConfig *config);
void fz_engine_free (FzEngine *self); /* lanes have stopped */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzEngine, fz_engine_free)

const uint8_t *fz_engine_get_public_key (const FzEngine *self); /* FZ_KEY_SIZE bytes */

/* -- input -- */

/* @error: FZ_ENGINE_ERROR; the engine is unchanged then. */
bool
fz_engine_handle_command (FzEngine *self, const FzCommand *command, FzInstant now, GError **error);
void fz_engine_handle_message (FzEngine *self, const FzLaneMessage *message, FzInstant now);
void fz_engine_handle_timeout (FzEngine *self, FzInstant now); /* early or twice is harmless */

/* -- work for others, if has_workers -- */

/* Handshakes whose arithmetic waits; NULL: none. Each is run, on any thread, and handed back in the
 * order in which they were polled. */
FzHandshakeJob *fz_engine_poll_job (FzEngine *self);
void fz_engine_finish_job (FzEngine *self, FzHandshakeJob *job, FzInstant now); /* takes @job */

/* -- output -- */

typedef struct {
  FzSocketAddress to;
  FzIp from; /* source address; family FZ_IP_NONE: the system's choice */
  uint8_t ecn;
  FzSpan data; /* valid until the next call into the engine */
} FzTransmit;

FzInstant fz_engine_next_timeout (const FzEngine *self); /* FZ_INSTANT_NEVER if none */

/* Whether messages with answered_at may lie where they are until there is another reason to turn to
 * the engine; they are to be handled first then, before its timeout. True while all paths are idle
 * and work: each check is worth waking up for, its answer is not. */
bool fz_engine_may_answers_wait (const FzEngine *self);
bool fz_engine_poll_transmit (FzEngine *self, FzTransmit *out);
bool fz_engine_poll_packet (FzEngine *self, FzSpan *out); /* an IP packet for the TUN */
void fz_engine_publish (FzEngine *self);                  /* lets the lanes see what changed */
bool fz_engine_poll_event (FzEngine *self, FzEvent *out);

/* -- what is observable -- */

typedef enum {
  FZ_RESOURCE_STATUS_UNKNOWN,
  FZ_RESOURCE_STATUS_ONLINE,
  FZ_RESOURCE_STATUS_OFFLINE,
} FzResourceStatus;

typedef struct {
  const FzResource *resource;
  FzResourceStatus status;
  FzReach reach;
  FzUuid gateway_id; /* that carries it, or will; zero: none */
} FzResourceView;

/* Client: Internet first, then by name and id; valid until the next call into the engine. */
size_t fz_engine_get_resources (FzEngine *self, const FzResourceView **out);

/* Client: the gateways it has to do with, in no order; valid until the next call into the engine.
 */
size_t fz_engine_get_gateways (FzEngine *self, const FzGatewayView **out);

/* The relays, in the portal's order; valid until the next call into the engine. */
size_t fz_engine_get_relays (FzEngine *self, const FzRelayView **out);

/* Client: FZ_COMMAND_SET_INTERNET's switch, whether or not there is such a resource. */
bool fz_engine_is_internet_on (const FzEngine *self);

typedef struct {
  uint64_t drops[FZ_N_DROPS];
  uint64_t handshakes_started;
  uint64_t handshakes_completed;
  FzHandshakeTimes handshake_times;
  uint64_t handshakes_received;
  uint64_t handshakes_bad_mac1;
  uint64_t cookies_sent;
  uint64_t packets_buffered;
  uint64_t n_peers;
  uint64_t n_established; /* of the peers: with a path and keys */
  uint64_t n_sessions;    /* keys that can be opened with; up to eight of a peer */
  uint64_t n_relays;
  uint64_t n_nat_sessions;
  uint64_t nat_bytes; /* of the tables of all peers */
  uint64_t peer_table_bytes;
} FzEngineCounters;

void fz_engine_get_counters (const FzEngine *self, FzEngineCounters *out);

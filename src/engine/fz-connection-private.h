/* fz-connection-private.h
 *
 * The connection's inside, shared by its files: fz-connection.c has the state
 * and what changes it, fz-connection-send.c the ways out, and
 * fz-connection-candidates.c both sides' candidates.
 */
#pragma once

#include "src/engine/fz-connection.h"

struct FzConnection {
  FzConnectionContext *context;
  FzUuid id;
  uint32_t connection_id; /* below 2^24 */
  FzConnectionState state;
  uint8_t preshared_key[FZ_KEY_SIZE];
  FzUuid relay_id; /* the selected relay, §1.6 */
  bool is_bare;
  bool is_controlling;
  bool has_path;
  bool has_route;      /* relayed path: the channel is bound */
  bool has_session;    /* a handshake has completed once */
  bool is_established; /* path and session, and the role has been told */
  bool is_endpoint_new;
  bool is_session_new;

  FzPeer *peer;
  FzTunnel *tunnel;
  FzPathAgent *agent; /* NULL: bare */

  FzPath path;        /* has_path */
  FzRelayRoute route; /* has_route: its relay's socket and number */

  FzInstant created_at;
  FzInstant last_activity;     /* as far as the engine has seen it */
  FzInstant last_handshake;    /* started for a path; FZ_INSTANT_NEVER: none yet */
  FzInstant candidate_timeout; /* FZ_INSTANT_NEVER once a candidate was signalled */
  FzInstant grace_timeout;     /* FZ_INSTANT_NEVER while a path works or may yet */
  FzInstant idle_timeout;      /* CONNECTED */

  GQueue waiting; /* of GBytes: our WireGuard's answers from before there was a path */
};

static inline void
fz_connection_count_drop (FzConnection *self, FzDrop drop)
{
  self->context->drops[drop]++;
}

/* Our end of the path is an address on a relay. */
static inline bool
fz_connection_is_relay_local (const FzPath *path)
{
  return path->kind == FZ_PATH_RELAY_TO_PEER || path->kind == FZ_PATH_RELAY_TO_RELAY;
}

/* Drains agent and tunnel, and what follows from that. At the end of every input. */
void fz_connection_settle (FzConnection *self, FzInstant now);

/* Traffic, or anything else for which an idle connection wakes up. */
void fz_connection_note_activity (FzConnection *self, FzInstant now, const char *trigger);
/* For a path or an upsert, if we are controlling: not while one is out, not twice within 20 s. */
void fz_connection_start_handshake_for_path (FzConnection *self, FzInstant now);
const char *fz_connection_get_state_name (const FzConnection *self);

void
fz_connection_send_datagram (FzConnection *self, const FzPath *path, FzSpan data, FzInstant now);
/* Finds the channel of a relayed path; what has changed is for the lanes to see. */
bool
fz_connection_find_route (FzConnection *self, const FzPath *path, FzInstant now, FzRelayRoute *out);
void fz_connection_send_waiting (FzConnection *self, FzInstant now);
void fz_connection_send_tunnel_transmit (FzConnection *self,
                                         const FzTunnelTransmit *transmit,
                                         FzInstant now);

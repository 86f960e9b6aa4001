/* fz-socket.h
 *
 * One websocket with a Phoenix channel on it (portal-protocol.md §§3.5 to 3.9):
 * frames, replies, heartbeats, the join, and the limits that keep a peer from
 * hurting us. What the messages mean is up to the channel kind.
 *
 * Created and owned by the hub, one for each upgraded connection, until the
 * transport is gone. Main thread.
 */
#pragma once

#include "src/base/fz-log.h"
#include "src/server/fz-session.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#define FZ_SOCKET_FRAME_MAX      (1024u * 1024u) /* bytes */
#define FZ_SOCKET_BURST_MAX      1000u           /* frames at once */
#define FZ_SOCKET_FRAMES_PER_S   200u
#define FZ_SOCKET_CANDIDATES_MAX 256u /* per message */
#define FZ_SOCKET_CANDIDATE_MAX  512u /* bytes each */

typedef struct FzSocket FzSocket;

typedef enum {
  FZ_ANSWER_NONE,
  FZ_ANSWER_OK,
  FZ_ANSWER_UNKNOWN_MESSAGE, /* unknown event, or a payload of the wrong shape */
  FZ_ANSWER_INVALID_REF,
} FzAnswer;

/* The part of a role. @channel is what joined () returned. */
typedef struct {
  const char *topic;
  /* Checks the join payload (may be NULL); false refuses. No side effects: the reply goes out
   * between this and joined (). */
  bool (*may_join) (FzSocket *socket, JsonNode *payload);
  void *(*joined) (FzSocket *socket, JsonNode *payload, void *hub);
  FzAnswer (*message) (void *channel, const char *event, JsonObject *payload);
  void (*left) (void *channel); /* frees it; the socket may be gone already */
} FzChannelKind;

/**
 * fz_socket_new:
 * @connection: an open one; a reference is taken
 * @session: taken over
 * @closed: called once, when the transport is gone; the channel has left by then
 */
FzSocket *fz_socket_new (SoupWebsocketConnection *connection,
                         FzSession *session,
                         const FzChannelKind *kind,
                         unsigned idle_s,
                         void *hub,
                         const FzLog *log,
                         void (*closed) (FzSocket *self, void *hub));
FzSocket *fz_socket_ref (FzSocket *self);
void fz_socket_unref (FzSocket *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSocket, fz_socket_unref)

const FzSession *fz_socket_session (const FzSocket *self);
const FzChannelKind *fz_socket_kind (const FzSocket *self);
const FzLog *fz_socket_log (const FzSocket *self);
void *fz_socket_channel (const FzSocket *self); /* NULL unless joined */

/* Queues a push on the topic; takes @payload. Silently dropped once closing. */
void fz_socket_push (FzSocket *self, const char *event, JsonNode *payload);
void fz_socket_push_object (FzSocket *self, const char *event, JsonObject *payload);
void fz_socket_push_text (FzSocket *self, const char *event, const char *payload);

/* The channel leaves at once, then the transport closes. */
void fz_socket_close (FzSocket *self, const char *why);

/* Pushes "disconnect" with @reason first. */
void fz_socket_disconnect (FzSocket *self, const char *reason);

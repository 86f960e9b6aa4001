/* fz-channel-relay.c
 *
 * A Firezone relay: it tells us its stamp secret when it joins and nothing ever
 * after (portal-protocol.md §7). While it is joined, peers are given it.
 */
#include "src/server/fz-derive.h"
#include "src/server/fz-hub-private.h"
#include "src/server/fz-json.h"

#include <string.h>

#define STAMP_SECRET_MIN 16u
#define STAMP_SECRET_MAX 256u

typedef struct {
  FzHub *hub;
  FzSocket *socket;
  char *id;
} FzRelayChannel;

static const char *
stamp_secret_of (JsonNode *payload)
{
  const char *secret = NULL;

  if (payload != NULL && JSON_NODE_HOLDS_OBJECT (payload))
    secret = fz_json_text (json_node_get_object (payload), "stamp_secret");
  if (secret == NULL || strlen (secret) < STAMP_SECRET_MIN || strlen (secret) > STAMP_SECRET_MAX)
    return NULL;
  return secret;
}

static bool
may_join (FzSocket *socket, JsonNode *payload)
{
  return stamp_secret_of (payload) != NULL;
}

static void *
joined (FzSocket *socket, JsonNode *payload, void *hub)
{
  FzRelayChannel *self = g_new0 (FzRelayChannel, 1);
  const FzSession *session = fz_socket_session (socket);
  const char *secret = stamp_secret_of (payload);
  FzSocket *older;

  self->hub = hub;
  self->socket = socket;
  self->id = fz_derive_relay_id (secret);

  /* The same secret is the same process: its older connection is a leftover. */
  older = g_hash_table_lookup (self->hub->relays, self->id);
  if (older != NULL)
    fz_socket_close (older, "replaced by a newer connection");

  fz_socket_push_object (socket, "init", json_object_new ());
  g_hash_table_insert (self->hub->relays, g_strdup (self->id), socket);
  fz_relay_table_put (self->hub->relay_table,
                      &(FzRelay){ FZ_RELAY_REGISTERED,
                                  self->id,
                                  session->relay_ipv4,
                                  session->relay_ipv6,
                                  (char *) secret });
  fz_log (&self->hub->log,
          FZ_LOG_INFO,
          "relay-registered",
          "a relay has registered",
          FZ_KV_TEXT ("id", self->id),
          FZ_KV_TEXT ("ipv4", session->relay_ipv4),
          FZ_KV_TEXT ("ipv6", session->relay_ipv6));
  return self;
}

static FzAnswer
message (void *channel, const char *event, JsonObject *payload)
{
  return FZ_ANSWER_UNKNOWN_MESSAGE;
}

static void
left (void *channel)
{
  FzRelayChannel *self = channel;

  g_hash_table_remove (self->hub->relays, self->id);
  fz_relay_table_remove (self->hub->relay_table, self->id);
  g_free (self->id);
  g_free (self);
}

const FzChannelKind fz_relay_channel_kind = {
  .topic = "relay",
  .may_join = may_join,
  .joined = joined,
  .message = message,
  .left = left,
};

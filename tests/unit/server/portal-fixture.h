/* portal-fixture.h
 *
 * A whole portal inside a test, and peers made of libsoup's websocket client
 * that speak to it frame by frame. Timers of the portal are shortened; waiting
 * means turning the main loop until a frame is there.
 */
#pragma once

#include "src/server/fz-http.h"
#include "src/server/fz-hub.h"
#include "src/server/fz-manage.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

#define KEY_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define KEY_3 "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="

typedef struct {
  char *folder;
  char *database;
  FzHubConfig config;
  int64_t connect_interval_us;
  bool is_https_outside;
  FzStore *store;
  FzHub *hub;
  FzHttp *http;
  char *base; /* "127.0.0.1:45678" */
  FzManage manage;

  /* made by portal_populate () */
  char *account_id;
  char *actor_id;
  char *group_id;
  char *site_id;
  char *resource_id;
  char *client_token;
  char *client_token_id;
  char *gateway_token;
  char *gateway_token_id;
  char *relay_token;
} Portal;

/* Opens an empty portal; portal_start () listens. */
Portal *portal_new (void);
void portal_start (Portal *portal);
void portal_stop (Portal *portal); /* the database stays */
void portal_free (Portal *portal);

/* Account, actor "sam" in group "staff", site "berlin", resource "lab" 10.20.0.0/16, tokens. No
 * policy. */
void portal_populate (Portal *portal);

/* All three: new, started, populated. */
Portal *portal_new_populated (void);

/* The id of the first that @command, such as "client list", shows; free with g_free. */
char *portal_first_id (Portal *portal, const char *command);

/* With all that is in it. */
void portal_remove_folder (const char *folder);

/* One management command: "noun verb", then option, value, …, NULL; a NULL value is a switch. */
JsonNode *
portal_try (Portal *portal, GError **error, const char *command, ...) G_GNUC_NULL_TERMINATED;
JsonObject *portal_do (Portal *portal, const char *command, ...) G_GNUC_NULL_TERMINATED;
void portal_change (Portal *portal, const char *command, ...) G_GNUC_NULL_TERMINATED;

/* -- peers -- */

typedef struct {
  Portal *portal;
  SoupSession *session;
  SoupWebsocketConnection *connection;
  GQueue inbox; /* JsonObject */
  bool is_done; /* the connect has finished, one way or the other */
  bool is_closed;
  unsigned status; /* HTTP, if it was refused */
  int64_t ref;
  char *topic;
} Peer;

typedef struct {
  const char *path;
  const char *token;
  const char *external_id;
  const char *public_key;
  const char *user_agent;
  const char *query; /* whole, instead of the one made from the above */
} PeerSpec;

Peer *peer_connect (Portal *portal, const char *topic, const PeerSpec *spec);
void peer_free (Peer *peer);
void peer_leave (Peer *peer); /* freed, and the portal has seen that it is gone */

/* The usual ones, joined and past their init, which is returned. */
Peer *client_new (Portal *portal, JsonObject **out_init);
Peer *
client_new_as (Portal *portal, const char *external_id, const char *key, JsonObject **out_init);
Peer *gateway_new (Portal *portal, JsonObject **out_init);
Peer *gateway_new_as (Portal *portal, const char *key, JsonObject **out_init);
Peer *relay_new (Portal *portal, const char *stamp_secret);

void peer_send_text (Peer *peer, const char *text);
/* @payload is JSON text. */
int64_t peer_send (Peer *peer, const char *event, const char *payload);
void peer_join (Peer *peer);

/* The payload of the next frame with @event; others before it fail the test. */
JsonObject *peer_expect (Peer *peer, const char *event);
void peer_skip (Peer *peer, const char *event);         /* the same, whatever it says */
char *peer_expect_text (Peer *peer, const char *event); /* a payload that is a string */
void peer_expect_reply (Peer *peer, int64_t ref, const char *error_reason);
void peer_expect_closed (Peer *peer);
/* No frame arrives for @ms. */
void peer_expect_silence (Peer *peer, unsigned ms);

void turn_until (bool (*is_done) (void *context), void *context);
void turn_for (unsigned ms);

/* Everything the server answers to a request that is sent as it is. */
char *raw_request (Portal *portal, const char *request);

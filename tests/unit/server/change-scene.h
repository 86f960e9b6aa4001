/* change-scene.h
 *
 * A client with access in force through a gateway, and what they are told when an
 * administrator changes something: the scene of test-changes and test-device-changes.
 */
#pragma once

#include "tests/unit/server/portal-fixture.h"

typedef struct {
  Portal *portal;
  Peer *client;
  Peer *gateway;
  char *client_id;
  char *gateway_id;
} Scene;

/* With access in force. */

Scene scene_new (void);
void scene_clear (Scene *scene);

/* The client asks for its resource, and the gateway lets it through. */
void scene_authorize (Scene *scene);

/* One command of the administrator, with one option or NULL. */
void change (Scene *scene, const char *command, const char *option, const char *value);

void expect_reject (Scene *scene);
void expect_deleted (Scene *scene);
JsonObject *expect_created (Scene *scene);
void expect_created_quietly (Scene *scene);
void expect_disconnect (Peer *peer);
void expect_quiet (Scene *scene);

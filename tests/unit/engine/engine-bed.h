/* engine-bed.h
 *
 * Test helper: one engine alone on a bench, with commands made by hand. What it
 * says is kept as lines of text, so that a test reads like the dialogue it is
 * about. One relay answers binding requests when the test says so.
 */
#pragma once

#include "src/engine/fz-engine.h"
#include "src/proto/fz-ip.h"

#define BED_RELAY "198.51.100.1:3478"
#define BED_LOCAL "192.168.1.5:52625"

typedef struct {
  FzRole role;
  FzSeededRng rng;
  FzPublished published;
  FzEngine *engine;
  FzInstant now;
  GPtrArray *events;    /* of char *: lines, oldest first, since the last bed_forget */
  GPtrArray *packets;   /* of GBytes: for the TUN */
  unsigned n_transmits; /* datagrams, all told */
  GPtrArray *bindings;  /* of GBytes: requests to the relay that wait for bed_answer_relay */
} EngineBed;

void bed_init (EngineBed *self, FzRole role);
void bed_clear (EngineBed *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (EngineBed, bed_clear)

void bed_command (EngineBed *self, const FzCommand *command);
void bed_refuse (EngineBed *self, const FzCommand *command, FzEngineError code); /* and unchanged */
void bed_run (EngineBed *self, uint64_t duration_ns); /* with every deadline on the way */
void bed_forget (EngineBed *self);

/* Asserts that the next event is this line, or (NULL) that there is none. */
void bed_expect (EngineBed *self, const char *line);
bool bed_has (const EngineBed *self, const char *prefix); /* any event that begins so */

/* The portal's relay, and its answers to what was asked so far. */
FzRelay bed_relay (void);
void bed_answer_relay (EngineBed *self);

/* From the TUN: UDP of a 4-byte payload. */
void bed_send (EngineBed *self, const char *source, const char *destination, uint16_t port);
void bed_send_bytes (EngineBed *self, FzSpan packet);

/* As from a lane. */
void bed_message (EngineBed *self, FzLaneMessageKind kind, uint32_t connection_id, FzSpan data);

uint64_t bed_drops (const EngineBed *self, FzDrop reason);
uint32_t bed_n_peers (const EngineBed *self);

/* -- values -- */
FzUuid bed_uuid (uint8_t first);
FzInterface bed_interface (uint8_t last);              /* 100.64.0.x and fd00:2021:1111::x */
FzResource bed_cidr (uint8_t id, const char *network); /* in site 0x51 */

/* Ready to be sent, for tests to bend: inits of either role, and both halves of an authorization.
 */
FzCommand bed_client_init (const FzResource *resources, size_t n_resources, const FzRelay *relay);
FzCommand bed_gateway_init (const FzGrant *grants, size_t n_grants, const FzRelay *relay);
FzCommand bed_created (uint8_t resource, uint8_t gateway);         /* AUTHORIZATION_CREATED */
FzCommand bed_create (const FzResource *resource, uint8_t client); /* CREATE_AUTHORIZATION */

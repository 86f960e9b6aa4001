/* ice-bed.h
 *
 * One ICE agent, its peer and its clock played by the test. Two candidates to
 * begin with: ours at US, the peer's at THEM.
 */
#pragma once

#include "src/engine/fz-ice-agent.h"
#include "src/engine/fz-ice-message.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>

#define BED_START (100 * FZ_S)
#define US        "10.0.0.1:52625"
#define THEM      "10.0.0.2:52625"
#define OUR_PW    "our-password"
#define THEIR_PW  "their-password"

extern const char bed_remote_host[]; /* the candidate at THEM */

typedef struct {
  FzSeededRng seeded;
  FzIceAgent *agent;
} Bed;

/* An agent with both candidates: any, of a controlling client, of a controlled server. */
void bed_set_up_role (Bed *bed, FzIceRole role, FzIceProfile profile);
void bed_set_up (Bed *bed, gconstpointer data);
void bed_set_up_controlled (Bed *bed, gconstpointer data);
void bed_tear_down (Bed *bed, gconstpointer data);

#define BED_ADD(path, set_up, function)                                                            \
  g_test_add (path, Bed, NULL, set_up, function, bed_tear_down)

/* For tests of their own making: an agent without candidates. */
FzIceAgent *bed_make_agent (FzSeededRng *seeded, FzIceRole role, FzIceProfile profile);
bool bed_add_host (FzIceAgent *agent, const char *text);

/* Runs the agent's clock to the next check and takes it; false if none comes before @until. */
bool bed_next_check (FzIceAgent *agent, FzInstant until, FzIceTransmit *out, FzInstant *out_at);
FzStunMessage bed_parse (const FzIceTransmit *transmit); /* points into @transmit */
void bed_drain (FzIceAgent *agent);                      /* transmits and events are passed over */

/* -- the peer; returns what the agent made of it -- */

FzDrop
bed_deliver (FzIceAgent *agent, FzSpan data, const char *local, const char *from, FzInstant now);

/* A check of the peer's; user name and password are the right ones where @check has none. */
FzDrop bed_request (
    FzIceAgent *agent, const FzIceCheck *check, const char *local, const char *from, FzInstant now);

/* Yes to @check, signed with @password. */
FzDrop
bed_answer (FzIceAgent *agent, const FzIceTransmit *check, const char *password, FzInstant now);

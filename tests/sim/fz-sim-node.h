/* fz-sim-node.h
 *
 * A whole node on one virtual host: engine, both halves of a lane, the ring
 * between them, run as src/runtime runs them but on one thread and the
 * simulator's clock. Its TUN is a function of the test.
 */
#pragma once

#include "src/dataplane/fz-lane.h"
#include "src/engine/fz-engine.h"
#include "tests/sim/fz-sim.h"

#define FZ_SIM_PORT 52625u

typedef struct FzSimNode FzSimNode;

typedef struct {
  /* a packet for the TUN; may send others */
  void (*on_packet) (void *context, FzSimNode *node, FzSpan packet);
  /* an event of the engine; must not call into the engine */
  void (*on_event) (void *context, FzSimNode *node, const FzEvent *event);
  void *context;
} FzSimNodeHooks;

/* @ipv4, @ipv6: addresses of the host to send from; NULL: none of that family. */
FzSimNode *fz_sim_node_new (FzSim *sim,
                            unsigned host,
                            FzRole role,
                            const char *ipv4,
                            const char *ipv6,
                            const FzSimNodeHooks *hooks);
void fz_sim_node_free (FzSimNode *self);

FzEngine *fz_sim_node_get_engine (FzSimNode *self);
unsigned fz_sim_node_get_host (const FzSimNode *self);

/* Starts over with an empty engine and a new key, as a process that was killed does. */
void fz_sim_node_restart (FzSimNode *self);

/* Another address after the host has moved; the test tells the engine. */
void fz_sim_node_set_address (FzSimNode *self, const char *ipv4);

/* A command, and all that follows. Fails the test if the engine refuses it. */
void fz_sim_node_command (FzSimNode *self, const FzCommand *command);

/* From the TUN. */
void fz_sim_node_send (FzSimNode *self, FzSpan packet);

/* -- what the test may ask -- */
typedef struct {
  uint64_t n_wakeups;   /* instants at which the process had anything to do */
  uint64_t n_calls;     /* of the engine by its lane */
  uint64_t n_timeouts;  /* times that the engine was woken by its deadline */
  uint64_t n_messages;  /* records that the lane handed to the engine */
  uint64_t n_transmits; /* datagrams of engine and lane */
  uint64_t n_fast;      /* datagrams of the lane alone */
  uint64_t digest;      /* of all transmits: instants, addresses, bytes */
} FzSimNodeStats;

const FzSimNodeStats *fz_sim_node_get_stats (const FzSimNode *self);

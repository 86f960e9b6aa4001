/* fz-sim-relay.h
 *
 * A STUN and TURN server on a host of the simulated network, after
 * connectivity.md §5: one user, Binding, Allocate, Refresh, ChannelBind,
 * ChannelData. It answers as Firezone's relay does or as coturn does, and can
 * be told to misbehave.
 */
#pragma once

#include "src/engine/fz-model.h"
#include "tests/sim/fz-sim.h"

typedef enum {
  FZ_SIM_RELAY_FIREZONE, /* signs errors too, realm "firezone" */
  FZ_SIM_RELAY_COTURN,   /* errors unsigned, its own realm, 400 for integrity without nonce */
  FZ_SIM_RELAY_STUN,     /* knows Binding only and is silent to the rest */
} FzSimRelayStyle;

typedef struct FzSimRelay FzSimRelay;

/* @ipv4, @ipv6: addresses of the new host, either may be NULL; the port is always @port. */
FzSimRelay *fz_sim_relay_new (FzSim *sim,
                              unsigned parent,
                              FzSimRelayStyle style,
                              const FzSimLink *link,
                              const char *ipv4,
                              const char *ipv6,
                              uint16_t port);
void fz_sim_relay_free (FzSimRelay *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSimRelay, fz_sim_relay_free)

/* The entry as the portal would send it; borrows from @self. */
FzRelay fz_sim_relay_describe (const FzSimRelay *self);
unsigned fz_sim_relay_get_host (const FzSimRelay *self);

void fz_sim_relay_set_silent (FzSimRelay *self, bool is_silent);

/* As after a restart: allocations, channels and nonces are forgotten. */
void fz_sim_relay_restart (FzSimRelay *self);

/* Accepts another password from now on. */
void fz_sim_relay_change_password (FzSimRelay *self);

/* Refuses every authenticated Allocate with @code; 0 ends that. */
void fz_sim_relay_refuse_allocate (FzSimRelay *self, uint16_t code);

typedef struct {
  unsigned n_bindings; /* requests, by method */
  unsigned n_allocates;
  unsigned n_refreshes;
  unsigned n_channel_binds;
  unsigned n_allocations; /* alive */
  unsigned n_relayed;     /* datagrams, both directions */
} FzSimRelayCounters;

FzSimRelayCounters fz_sim_relay_get_counters (const FzSimRelay *self);

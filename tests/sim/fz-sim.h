/* fz-sim.h
 *
 * A network on a virtual clock: hosts, routers that translate addresses, links
 * with delay, loss, reordering and duplicates. Time jumps from one arrival or
 * deadline to the next; nothing sleeps, and one seed gives one run.
 *
 * The world is a tree. Its root is the internet; a router or a host hangs under
 * the internet or under a router, by a link of its own. A datagram climbs until
 * a segment knows its destination. Routers translate on the way up and back
 * on the way down, at the time it passes them. Between two hosts under one
 * router it stays there. A router without an address of a family passes that
 * family on untranslated.
 *
 *            internet
 *           ╱   │    ╲
 *       relay  nat    nat
 *               │      │
 *             host    host
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-instant.h"
#include "src/base/fz-rng.h"
#include "src/base/fz-span.h"

#include <glib.h>
#include <stdbool.h>

#define FZ_SIM_INTERNET 0u /* the root */

/* Kinds of translation, as the namespaces of testbeds.md §13 make them. */
typedef enum {
  FZ_SIM_NAT_FULL_CONE,          /* one mapping per inner socket; anybody may answer */
  FZ_SIM_NAT_ADDRESS_RESTRICTED, /* … only addresses that were sent to */
  FZ_SIM_NAT_PORT_RESTRICTED,    /* … only sockets that were sent to */
  FZ_SIM_NAT_SYMMETRIC,          /* a new random port per destination, only it may answer */
} FzSimNat;

#define FZ_SIM_MAPPING_NS (120 * FZ_S) /* a mapping lives this long after the last way out */

/* Each way alike; the dice are thrown per datagram. */
typedef struct {
  uint64_t delay_ns;
  uint64_t jitter_ns;          /* added, uniform in 0 … jitter; keeps the order */
  unsigned loss_permille;      /* lost */
  unsigned duplicate_permille; /* comes twice */
  unsigned reorder_permille;   /* comes without delay and overtakes */
} FzSimLink;

/* What runs on a host. It sends with fz_sim_send, from inside these functions too. */
typedef struct {
  void (*handle_datagram) (void *context,
                           const FzSocketAddress *local,
                           const FzSocketAddress *from,
                           FzSpan data,
                           FzInstant now);
  void (*handle_timeout) (void *context, FzInstant now);
  FzInstant (*next_timeout) (void *context);
} FzSimProgram;

typedef struct {
  uint64_t n_sent; /* by programs */
  uint64_t n_arrived;
  uint64_t n_lost;     /* by a link's dice or fz_sim_block */
  uint64_t n_filtered; /* by a router */
  uint64_t n_unrouted; /* nobody has the address */
} FzSimCounters;

typedef struct FzSim FzSim;

FzSim *fz_sim_new (uint64_t seed);
void fz_sim_free (FzSim *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzSim, fz_sim_free)

/* The seed of this run: FZ_SEED from the environment, else @fallback; printed. */
uint64_t fz_sim_seed (uint64_t fallback);

FzInstant fz_sim_now (const FzSim *self);
FzRng fz_sim_rng (FzSim *self); /* the run's randomness, for the programs too */
const FzSimCounters *fz_sim_get_counters (const FzSim *self);

/* -- world: parents are FZ_SIM_INTERNET or a router; results are node numbers -- */

unsigned fz_sim_add_router (FzSim *self, unsigned parent, FzSimNat nat, const FzSimLink *link);
unsigned fz_sim_add_host (FzSim *self, unsigned parent, const FzSimLink *link);
void fz_sim_set_program (FzSim *self, unsigned host, const FzSimProgram *program, void *context);
void fz_sim_set_link (FzSim *self, unsigned node, const FzSimLink *link);

void fz_sim_add_address (FzSim *self, unsigned node, const char *ip);
void fz_sim_remove_address (FzSim *self, unsigned node, const char *ip);
void fz_sim_forget_mappings (FzSim *self, unsigned router); /* the router was restarted */

/* Drops what goes from a source address to a destination address (as seen by the receiver's
 * network); NULL is any. Lasts until fz_sim_unblock, which lifts all blocks. */
void fz_sim_block (FzSim *self, const char *from, const char *to);
void fz_sim_unblock (FzSim *self);

/* -- run -- */

/* @from: an address of @host's and a port; what is sent from any other is lost. */
void fz_sim_send (FzSim *self,
                  unsigned host,
                  const FzSocketAddress *from,
                  const FzSocketAddress *to,
                  FzSpan data);

/* From the host's newest address of @to's family: what a system does with an unbound source. */
void
fz_sim_send_any (FzSim *self, unsigned host, uint16_t port, const FzSocketAddress *to, FzSpan data);

/* Runs everything that is due up to and including @until; the clock then stands there. */
void fz_sim_run_until (FzSim *self, FzInstant until);
void fz_sim_run_for (FzSim *self, uint64_t duration_ns);

/* Runs until @is_done says so, at most @limit_ns long; its last answer. */
bool fz_sim_run_while_not (FzSim *self,
                           bool (*is_done) (void *context),
                           void *context,
                           uint64_t limit_ns);

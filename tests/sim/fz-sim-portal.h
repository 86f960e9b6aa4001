/* fz-sim-portal.h
 *
 * The portal as far as engines can tell: lists resources, decides
 * authorizations, derives keys, forwards candidates, each message some
 * milliseconds late and in order (portal-protocol.md §8). Its links can be cut;
 * what is sent meanwhile is lost, as on a real websocket.
 *
 * It also stands for the hosts of its nodes where these answer engines: it knows
 * the addresses of names, behind gateways and on the internet alike.
 */
#pragma once

#include "tests/sim/fz-sim-node.h"

#define FZ_SIM_PORTAL_NODES_MAX     16u
#define FZ_SIM_PORTAL_RESOURCES_MAX 64u
#define FZ_SIM_PORTAL_RELAYS_MAX    4u

typedef struct FzSimPortal FzSimPortal;

typedef struct {
  unsigned n_requests; /* authorizations asked for */
  unsigned n_granted;
  unsigned n_refused;
  unsigned n_no_relays;
  unsigned n_candidates; /* forwarded lines */
  unsigned n_lookups;    /* names that gateways looked up */
  unsigned n_queries;    /* questions that clients sent past the tunnel */
} FzSimPortalCounters;

FzSimPortal *fz_sim_portal_new (FzSim *sim, uint64_t delay_ns);
void fz_sim_portal_free (FzSimPortal *self);
const FzSimPortalCounters *fz_sim_portal_get_counters (const FzSimPortal *self);

/* The event hook of every node. */
void fz_sim_portal_handle_event (FzSimPortal *self, FzSimNode *node, const FzEvent *event);

void fz_sim_portal_add_relay (FzSimPortal *self, const FzRelay *relay); /* copied; texts borrowed */
void fz_sim_portal_set_relays_listed (FzSimPortal *self, bool are_listed);

/* @number: last byte of its tunnel addresses 100.64.0.x and fd00:2021:1111::x, and of its id.
 * Returns: its index. Its link is down until it is connected. */
unsigned
fz_sim_portal_add_node (FzSimPortal *self, FzSimNode *node, bool is_gateway, uint8_t number);
FzUuid fz_sim_portal_get_id (const FzSimPortal *self, unsigned index);
FzIp fz_sim_portal_get_ip (const FzSimPortal *self, unsigned index, bool is_v6);

void fz_sim_portal_connect (FzSimPortal *self, unsigned index); /* joined, then init */
void fz_sim_portal_disconnect (FzSimPortal *self, unsigned index);
bool fz_sim_portal_is_connected (const FzSimPortal *self, unsigned index);

/* Returns: index of the resource. All gateways serve all resources. Filters: borrowed. */
unsigned fz_sim_portal_add_resource (FzSimPortal *self,
                                     const char *network,
                                     const FzFilter *filters,
                                     size_t n_filters);
/* The same for names; @stack limits the families. */
unsigned fz_sim_portal_add_dns_resource (FzSimPortal *self,
                                         const char *pattern,
                                         FzIpStack stack,
                                         const FzFilter *filters,
                                         size_t n_filters);

/* The addresses of a name from now on, one text with spaces between; NULL: nobody can say.
 * Texts are borrowed. */
void fz_sim_portal_set_name (FzSimPortal *self, const char *name, const char *ips);

/* What a server that knows these names says. Returns: bytes, 0: nothing */
size_t fz_sim_portal_answer (const FzSimPortal *self, FzSpan query, uint8_t out[512]);

/* A resolver of the account, which clients are told of; borrowed. */
void fz_sim_portal_set_upstream (FzSimPortal *self, const char *ip);
FzUuid fz_sim_portal_get_resource_id (const FzSimPortal *self, unsigned resource);

/* Tells the client (the resource appears or goes) and the gateways (access is rejected). */
void
fz_sim_portal_set_policy (FzSimPortal *self, unsigned client, unsigned resource, bool is_allowed);
bool fz_sim_portal_has_policy (const FzSimPortal *self, unsigned client, unsigned resource);

/* Rejects at the gateways, and lets the client believe that nothing happened. */
void fz_sim_portal_reject_silently (FzSimPortal *self, unsigned client, unsigned resource);

/* New filters for everybody. */
void fz_sim_portal_set_filters (FzSimPortal *self,
                                unsigned resource,
                                const FzFilter *filters,
                                size_t n_filters);

/* How long a grant lives from now on, seconds; 0: for ever. */
void fz_sim_portal_set_lifetime (FzSimPortal *self, uint64_t lifetime_s);

/* Whether candidates of this node reach its peers. */
void fz_sim_portal_set_forwarding (FzSimPortal *self, unsigned index, bool is_forwarding);

/* Repeats every message to nodes as often; 1 is once. */
void fz_sim_portal_set_copies (FzSimPortal *self, unsigned n_copies);

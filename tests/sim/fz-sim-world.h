/* fz-sim-world.h
 *
 * The usual cast of whole-engine tests: a portal, a relay, clients and gateways
 * behind routers of their choice, and servers that echo behind every gateway.
 * Counts what was sent and what came back, by the mark of each packet.
 */
#pragma once

#include "tests/sim/fz-sim-packet.h"
#include "tests/sim/fz-sim-portal.h"
#include "tests/sim/fz-sim-relay.h"

#define FZ_SIM_WORLD_NODES_MAX FZ_SIM_PORTAL_NODES_MAX
#define FZ_SIM_OPEN            (-1) /* no router: an address of its own on the internet */

typedef struct {
  uint32_t mark;
  unsigned at;        /* index of the node whose TUN it reached */
  bool is_prohibited; /* an ICMP error; mark as fz_sim_packet_is_prohibited says */
  FzSimPacket packet; /* unless it is prohibited */
} FzSimSeen;

/* What a client's program makes of an answer on its sentinel. */
typedef struct {
  bool is_answered;
  unsigned code; /* of the DNS */
  FzIp ips[8];
  size_t n_ips;
} FzSimAnswer;

typedef struct {
  FzSim *sim;
  FzSimPortal *portal;
  FzSimRelay *relay;
  FzSimNode *nodes[FZ_SIM_WORLD_NODES_MAX];
  unsigned routers[FZ_SIM_WORLD_NODES_MAX]; /* FZ_SIM_INTERNET: open */
  bool is_gateway[FZ_SIM_WORLD_NODES_MAX];
  unsigned n_nodes;
  GArray *seen;                           /* of FzSimSeen, in order */
  unsigned n_malformed;                   /* packets at a TUN that nobody built */
  unsigned n_connected;                   /* PEER_CONNECTED less PEER_DISCONNECTED, of all nodes */
  unsigned n_offline;                     /* notifications */
  FzIp sentinels[FZ_SIM_WORLD_NODES_MAX]; /* of each client, the first; FZ_IP_NONE: it has none */
  FzSimAnswer answer;                     /* the last */
  unsigned n_private_queries;             /* that came to port 53 behind a gateway */
  bool is_private_dns_refused;            /* such are answered "port unreachable" */
  FzSimLink link;                         /* of nodes added from now on */
} FzSimWorld;

void fz_sim_world_init (FzSimWorld *self, uint64_t seed);
void fz_sim_world_clear (FzSimWorld *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzSimWorld, fz_sim_world_clear)

/* @nat: FzSimNat or FZ_SIM_OPEN. Returns: index, also at the portal; already connected to it. */
unsigned fz_sim_world_add (FzSimWorld *self, bool is_gateway, int nat);

void fz_sim_world_run (FzSimWorld *self, uint64_t duration_ns);

/* A UDP packet of @client to @destination with this mark (and port, if not 0). */
void fz_sim_world_send_udp (
    FzSimWorld *self, unsigned client, const char *destination, uint16_t port, uint32_t mark);
void fz_sim_world_ping (FzSimWorld *self, unsigned client, const char *destination, uint32_t mark);

/* A question to the client's sentinel, and its answer within ten seconds. @type as in fz-dns.h. */
FzSimAnswer fz_sim_world_query (FzSimWorld *self, unsigned client, const char *name, uint16_t type);

/* The first packet with the mark at node @at; fails the test if there is none. */
const FzSimPacket *fz_sim_world_find (const FzSimWorld *self, unsigned at, uint32_t mark);

/* How often the mark was seen at node @at. */
unsigned fz_sim_world_count (const FzSimWorld *self, unsigned at, uint32_t mark);
unsigned fz_sim_world_count_prohibited (const FzSimWorld *self, unsigned at);
void fz_sim_world_forget (FzSimWorld *self); /* what was seen so far */

/* The client's address changes, and it is told. */
void fz_sim_world_roam (FzSimWorld *self, unsigned client);

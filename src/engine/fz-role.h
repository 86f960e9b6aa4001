/* fz-role.h
 *
 * What the engine lends to its role (client, gateway, bare): the node, the ways
 * out, the marks that say what has to be published. A role decides who may
 * speak with whom; it never touches a path or a key.
 *
 * Every role offers the same operations: handle_command, handle_packet (from
 * the TUN), handle_inner (from a peer), handle_node_event, handle_timeout,
 * next_timeout, and add_routes for the next snapshot.
 */
#pragma once

#include "src/dataplane/fz-flow.h"
#include "src/engine/fz-event-queue.h"
#include "src/engine/fz-node.h"
#include "src/engine/fz-packet-buffer.h"
#include "src/engine/fz-resource.h"
#include "src/proto/fz-icmp.h"

typedef struct {
  FzLog log;
  FzRng rng;
  FzReclaim *reclaim;        /* for what lanes may still hold */
  FzFlowMarks *direct_flows; /* gateway: what lanes have let through; borrowed, like @reclaim */
  GPtrArray *unused_nats;    /* of FzNat, owned: no peer has them any more, a lane may */
  FzNode *node;
  FzOutQueue packets; /* for the TUN */
  FzEventQueue events;
  uint64_t drops[FZ_N_DROPS];
  uint64_t packets_buffered;
  FzInstant refused_until; /* the burst of ICMP errors is used up that far; see fz-limits.h */

  FzInterface *interface;    /* owned; NULL before the portal has told */
  bool is_interface_changed; /* addresses or routes may differ from the last event */
  bool are_routes_changed;   /* the lanes' table is out of date */
} FzRoleContext;

static inline void
fz_role_drop (FzRoleContext *self, FzDrop reason)
{
  self->drops[reason]++;
}

/* Packets that were waiting made place for a newer one. */
static inline void
fz_role_note_pushed_out (FzRoleContext *self, size_t n)
{
  self->drops[FZ_DROP_QUEUE_FULL] += n;
}

/* Whether @ip is one of our TUN addresses. */
bool fz_role_is_own_ip (const FzRoleContext *self, const FzIp *ip);
void fz_role_set_interface (FzRoleContext *self, const FzInterface *interface);

void fz_role_push_event (FzRoleContext *self, FzEventKind kind); /* that is all it says */

/* An IP packet for the TUN. */
void fz_role_deliver (FzRoleContext *self, FzSpan packet);

/**
 * fz_role_send_or_keep:
 * @waiting: in and out, the caller's: what waits for a session of @connection's; NULL: nothing does
 *
 * Sends @packet, or keeps it until there is a session. Once something waits, all that follows waits
 * behind it. What can be neither sent nor kept is counted.
 *
 * Returns: true if @packet waits
 */
bool fz_role_send_or_keep (FzRoleContext *self,
                           FzConnection *connection,
                           const FzIpPacket *packet,
                           FzPacketBuffer **waiting,
                           FzInstant now);

/**
 * fz_role_report_upsert:
 * @who: "client" or "gateway": the peer of the command
 *
 * What the portal has to hear of a peer that was to be added: that we have no relays as an event,
 * the rest as FZ_ENGINE_ERROR_TOO_MANY or FZ_ENGINE_ERROR_INVALID.
 *
 * Returns: false with @error set
 */
bool fz_role_report_upsert (FzRoleContext *self, FzUpsert result, const char *who, GError **error);

/**
 * fz_role_write_refusal:
 * @error: what the sender is told
 * @reason: what is counted
 *
 * Writes the ICMP error that refuses @packet.
 *
 * Returns: its length; 0 if @packet must not be answered, or if there were too many lately
 */
size_t fz_role_write_refusal (FzRoleContext *self,
                              const FzIpPacket *packet,
                              FzIcmpReason error,
                              FzDrop reason,
                              FzInstant now,
                              uint8_t out[FZ_ICMP_ERROR_MAX]);

void fz_role_push_peer_event (FzRoleContext *self, FzEventKind kind, const FzUuid *id);

/* Both addresses of one peer, without filters, as an entry each. */
void fz_role_add_hosts (GArray *entries, const FzIp *ipv4, const FzIp *ipv6, FzPeer *peer);

/* fz-node-private.h
 *
 * The node's inside, shared by its files: fz-node.c has the tables, connections
 * and output, fz-node-relays.c what relays cause, fz-node-input.c what arrives.
 */
#pragma once

#include "src/base/fz-heap.h"
#include "src/engine/fz-former-peers.h"
#include "src/engine/fz-node.h"

/* A connection's place in the heap of deadlines and in the list of peers. */
typedef struct {
  FzConnection *connection; /* NULL: free */
  bool is_to_be_published;  /* it is in to_publish */
  bool awaits_answers;      /* counted in n_awaiting_answers */
} FzNodeSlot;

struct FzNode {
  FzConnectionContext context;
  uint8_t *private_key; /* locked memory; NULL: a fresh key per identity */
  FzFormerPeers former;

  GArray *slots;      /* of FzNodeSlot */
  GArray *free_slots; /* of uint32_t */
  FzHeap *deadlines;  /* by slot */
  GHashTable *by_id;
  GHashTable *slot_by_number; /* connection id to slot + 1 */
  GHashTable *by_public_key;
  FzSteering steering;
  uint32_t n_on_lane[FZ_LANES_MAX]; /* connections */
  uint32_t n_awaiting_answers;      /* connections */
  GHashTable *by_ufrag;             /* to GPtrArray: fragments have 20 bits and may collide */

  bool has_workers;
  GQueue jobs;            /* of FzHandshakeJob: to be polled */
  uint32_t n_jobs;        /* initiations in work, polled or not */
  FzInstant loaded_until; /* there were more than FZ_HANDSHAKE_JOBS_LOAD a second before */

  GArray *to_publish;    /* of uint32_t: slots */
  GPtrArray *to_migrate; /* of FzUuid: connections whose relay is gone, and no other was there */
  FzPeerTable *peers;
  bool have_peers_changed;
  size_t n_events_polled;
};

static inline FzNodeSlot *
fz_node_get_slot (const FzNode *self, uint32_t i)
{
  return &g_array_index (self->slots, FzNodeSlot, i);
}

/* After anything was done to @connection: a failed one is reaped, else its deadline and what the
 * lanes are to see are noted. */
void fz_node_book (FzNode *self, FzConnection *connection, FzInstant now);

void
fz_node_emit (FzNode *self, FzNodeEventKind kind, const FzUuid *id); /* @id: NULL: of the node */

/* Datagrams and events of the relay pool; after anything was done to that. */
void fz_node_drain_relays (FzNode *self, FzInstant now);

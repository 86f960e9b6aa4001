/* tunnel-bed.h
 *
 * Two tunnels at the ends of a wire, on a virtual clock: enough of a node and
 * of a lane to let them live. Nothing here sleeps; one seed, one run.
 */
#pragma once

#include "src/engine/fz-identity.h"
#include "src/engine/fz-tunnel.h"

#include <glib.h>

#define BED_PACKET_SIZE 40u /* bytes of a data packet of bed_send */
#define BED_START       (1000 * FZ_S)
#define BED_JITTER      (FZ_REKEY_JITTER_MAX_MS * FZ_MS)

/* What left an end, as the wire saw it. */
typedef enum {
  BED_INITIATION,
  BED_RESPONSE,
  BED_COOKIE_REPLY,
  BED_DATA,
  BED_KEEPALIVE,
  BED_N_KINDS,
} BedKind;

typedef struct {
  uint8_t data[256];
  size_t length;
} BedDatagram;

typedef struct {
  FzSocketAddress address;
  FzIdentity *identity;
  FzPeer *peer; /* the other end, as this one knows it */
  FzTunnel *tunnel;
  FzAead *aead;
  FzReclaim *reclaim;
  FzSeededRng seeded;
  FzRng rng;
  FzTunnelCounters counters;

  bool is_cut;               /* nothing that this end sends arrives */
  bool is_late[BED_N_KINDS]; /* such messages are captured, but not put on the wire */
  uint32_t loss_permille;
  uint64_t latency_ns, jitter_ns;
  bool holds_publication; /* fz_tunnel_publish is left to the test */

  /* what happened */
  unsigned n_sent[BED_N_KINDS];
  FzInstant last_sent_at[BED_N_KINDS];
  BedDatagram last_sent[BED_N_KINDS];
  uint32_t last_remote_index; /* receiver index of the latest data or keepalive sent */
  unsigned n_received;        /* data packets */
  unsigned n_refused;         /* data packets and keepalives that could not be opened */
  unsigned n_events[FZ_TUNNEL_EVENT_EXPIRED + 1];
  unsigned n_activities; /* messages of the lane that there is traffic */
  unsigned n_wakeups;
  FzDrop last_drop; /* what became of the latest handshake message */
} BedEnd;

typedef struct {
  FzInstant now;
  BedEnd ends[2];
  GQueue wire;
  FzSeededRng seeded; /* of the wire */
  FzRng rng;
} Bed;

void bed_init (Bed *bed, const FzTunnelProfile *profile, uint64_t seed);
void bed_clear (Bed *bed);

/* Gives @end a new tunnel, as if it had just been set up. */
void bed_renew_tunnel (Bed *bed,
                       size_t end,
                       const FzTunnelProfile *profile,
                       const uint8_t *preshared_key,
                       const uint8_t *remote_public_key);

/* Lets time pass until @at, or for @duration_ns: everything due happens at its instant. */
void bed_run_until (Bed *bed, FzInstant at);
void bed_run (Bed *bed, uint64_t duration_ns);

/* After a direct call on a tunnel: collects what came of it. */
void bed_collect (Bed *bed, size_t end);

void bed_start (Bed *bed, size_t end); /* a handshake, now */
void bed_connect (Bed *bed);           /* end 0 initiates; both have a session */
bool bed_send (Bed *bed, size_t end);  /* a data packet by the lane */
FzDrop bed_deliver (Bed *bed, size_t to, const BedDatagram *datagram); /* now, from the other end */
void bed_reset_counts (Bed *bed);
void bed_forget_wire (Bed *bed);

/* -- what a test begins with -- */

void bed_set_up_ice (Bed *bed, gconstpointer data); /* the profile, seed 1 */
void bed_set_up_iceless (Bed *bed, gconstpointer data);
void bed_set_up_bare (Bed *bed, gconstpointer data);
void bed_tear_down (Bed *bed, gconstpointer data);

#define BED_ADD(path, set_up, function)                                                            \
  g_test_add (path, Bed, NULL, set_up, function, bed_tear_down)

/* Session age 0 for what counts from it: both ends connected, all counts zero. Returns: that
 * instant
 */
FzInstant bed_establish (Bed *bed);

/* Asserts that both directions carry data at this moment. */
void bed_assert_flows (Bed *bed);
unsigned bed_count_initiations (const Bed *bed); /* sent by either end */

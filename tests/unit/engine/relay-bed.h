/* relay-bed.h
 *
 * One relay link, its relay played by the test on a virtual clock: what the link
 * sends is seen, parsed and answered by hand.
 */
#pragma once

#include "src/engine/fz-relay.h"
#include "src/engine/fz-turn-message.h"
#include "tests/unit/base/addresses.h"

#include <glib.h>

#define BED_START (100 * FZ_S)
#define USER      "1767225600:c2FsdA"
#define PASSWORD  "c2VjcmV0"
#define REALM     "firezone"
#define NONCE     "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
#define V4        "198.51.100.9:3478"
#define V6        "[2001:db8::9]:3478"
#define LOCAL4    "192.168.1.5:52625"
#define LOCAL6    "[2001:db8:1::5]:52625"
#define MAPPED4   "203.0.113.7:40000"
#define PEER_A    "203.0.113.20:1"
#define PEER_B    "203.0.113.21:2"
#define PEER_6    "[2001:db8:5::1]:3"

typedef struct {
  FzSeededRng seeded;
  FzRelayLink *link;
  FzInstant now;
  char realm[64];
  char nonce[64];
  const char *password; /* what the relay expects */
  bool is_unsigned;     /* its answers */
} Bed;

/* A relay with these addresses, either NULL; the clock stands at BED_START. */
void bed_init (Bed *bed, const char *v4, const char *v6);
void bed_clear (Bed *bed);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bed, bed_clear)

/* Runs to @at, or for a while; the ticks come when they are asked for. */
void bed_run_to (Bed *bed, FzInstant at);
void bed_run_for (Bed *bed, uint64_t duration_ns);

/* -- what the relay sees -- */

typedef struct {
  FzSocketAddress to;
  uint8_t bytes[FZ_STUN_WRITE_MAX];
  FzStunMessage m; /* points into @bytes */
} BedSeen;

bool bed_see (Bed *bed, BedSeen *out);                   /* false: nothing more was sent */
void bed_expect (Bed *bed, uint16_t type, BedSeen *out); /* asserts that it is of @type */
void bed_expect_silence (Bed *bed);
void bed_expect_event (Bed *bed, FzRelayEventKind kind, FzCandidateKind candidate, const char *at);
void bed_expect_no_event (Bed *bed);
void bed_skip_events (Bed *bed);

/* -- what the relay says to what it has seen; returns what the link made of it -- */

/* An answer of one's own: begin, attributes, say. */
void bed_begin (const BedSeen *seen, FzWriter *w, uint8_t *buffer, uint16_t class);
FzDrop bed_say (Bed *bed, const BedSeen *seen, FzWriter *w, bool is_signed);

FzDrop bed_say_mapped (Bed *bed, const BedSeen *seen, const char *mapped);
FzDrop bed_say_error (Bed *bed, const BedSeen *seen, uint16_t code); /* 401, 438: realm and nonce */
FzDrop bed_say_allocated (Bed *bed, const BedSeen *seen, const char *v4, const char *v6);
FzDrop bed_say_refreshed (Bed *bed, const BedSeen *seen, uint32_t lifetime_s);
FzDrop bed_say_yes (Bed *bed, const BedSeen *seen);

/* Binding and challenge are behind us; the Allocate with nonce is in @out. */
void bed_go_to_allocate (Bed *bed, BedSeen *out);
void bed_go_to_active (Bed *bed); /* and it is granted */

/* -- what the engine asks of the link -- */

bool bed_route (Bed *bed, const char *peer, FzRelayRoute *out);
void bed_bind_channel (Bed *bed, const char *peer);

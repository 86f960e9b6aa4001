/* fz-relay-private.h
 *
 * The inside of a relay's conversation, shared by fz-relay.c (sockets, bindings,
 * candidates, requests, time) and fz-relay-allocation.c (TURN).
 */
#pragma once

#include "src/engine/fz-channel-table.h"
#include "src/engine/fz-relay-request.h"
#include "src/engine/fz-relay.h"
#include "src/engine/fz-turn-message.h"

#define FZ_RELAY_REQUESTS_MAX 512u /* outstanding at once */
#define FZ_RELAY_BUFFERED_MAX 100u /* channels wanted before there is an allocation */

typedef enum {
  FZ_ALLOCATION_IDLE,       /* the relay has not answered yet; no deadline */
  FZ_ALLOCATION_REQUESTING, /* Allocate is outstanding; the request has the deadline */
  FZ_ALLOCATION_ACTIVE,     /* relayed addresses are usable; deadline: refresh */
  FZ_ALLOCATION_DELETING,   /* the relay knows an older one of ours: it is being deleted */
  FZ_ALLOCATION_FAILED,     /* refused or unanswered; deadline: next attempt */
  FZ_ALLOCATION_REFUSED,    /* our credentials are wrong, says the relay: the end; no deadline */
} FzAllocationState;

struct FzRelayLink {
  FzUuid id;
  FzSocketAddress sockets[2]; /* IPv4, IPv6; family FZ_IP_NONE if there is none */
  FzSocketAddress active;     /* the one that answered first; FZ_IP_NONE: none does */
  FzRng rng;
  FzLog log;

  FzCandidate host[2]; /* by family; address family FZ_IP_NONE: not known */
  FzCandidate reflexive[2];
  FzCandidate relayed[2];
  bool has_rtt;
  uint64_t rtt_ns;
  FzInstant kept_alive_at; /* last keep-alive or ChannelData */
  GArray *requests;        /* of FzRelayRequest */

  char *username;
  char *password;
  char *realm;
  char *nonce; /* NULL: no challenge yet, requests go without credentials */
  uint8_t key[FZ_STUN_LONG_TERM_KEY_SIZE];

  FzAllocationState allocation;
  FzInstant deadline;    /* of the allocation's state */
  FzInstant expires_at;  /* ACTIVE */
  unsigned n_mismatches; /* 437 in a row */
  unsigned n_taken;      /* 441 to the deletion, in a row */
  FzSocketAddress local; /* ACTIVE: where the Allocate response arrived */
  FzChannelTable *channels;
  GArray *wanted; /* of FzSocketAddress: peers to bind once there is an allocation */

  GQueue transmits; /* of Outgoing, fz-relay.c */
  gpointer polled;
  GQueue events; /* of FzRelayEvent */
};

static inline unsigned
fz_relay_family_index (const FzIp *ip)
{
  return ip->family == FZ_IP_V6 ? 1 : 0;
}

/* -- fz-relay.c -- */

/**
 * fz_relay_link_request:
 * @request: kind, peer and channel; the rest is filled in here
 *
 * Sends it to the active socket.
 *
 * Returns: false, and nothing happens, without one or with too many outstanding
 */
bool fz_relay_link_request (FzRelayLink *self,
                            const FzRelayRequest *request,
                            uint64_t budget_ns,
                            FzInstant now);

/* Sends an outstanding request again at once, with a fresh budget. */
void fz_relay_link_resend (FzRelayLink *self, FzRelayRequest *request, FzInstant now);
bool fz_relay_link_is_outstanding (const FzRelayLink *self, FzRelayRequestKind kind);

/* Forgets every outstanding request but bindings. */
void fz_relay_link_cancel_turn (FzRelayLink *self);

/* Announces @candidate if @slot holds another one. */
void fz_relay_link_learn (FzRelayLink *self, FzCandidate *slot, const FzCandidate *candidate);
void fz_relay_link_push_event (FzRelayLink *self, FzRelayEventKind kind, const FzCandidate *c);

/* -- fz-relay-allocation.c -- */

/* The relay answers: asks for an allocation unless there is one. */
void fz_relay_allocation_start (FzRelayLink *self, FzInstant now);

/* Everything TURN is gone, silently. */
void fz_relay_allocation_reset (FzRelayLink *self);

/* The same, with events for the relayed candidates. */
void fz_relay_allocation_invalidate (FzRelayLink *self);

/* Our credentials if there has been a challenge, else false. */
bool fz_relay_allocation_get_auth (const FzRelayLink *self, FzTurnAuth *out);

typedef enum {
  FZ_RELAY_VERDICT_IGNORE,    /* not authentic: the request stays outstanding */
  FZ_RELAY_VERDICT_CHALLENGE, /* a nonce was taken over: send the request again */
  FZ_RELAY_VERDICT_ANSWER,
} FzRelayVerdict;

/* What a response to a TURN request is worth (§5.4). */
FzRelayVerdict fz_relay_allocation_judge (FzRelayLink *self,
                                          const FzRelayRequest *request,
                                          const FzStunMessage *message);

/* An authentic answer; @request: a copy, it is not outstanding any more. */
void fz_relay_allocation_handle_answer (FzRelayLink *self,
                                        const FzRelayRequest *request,
                                        const FzStunMessage *message,
                                        const FzSocketAddress *local,
                                        FzInstant now);

/* A TURN request was given up; true if the relay counts as silent for that (§5.5). */
bool fz_relay_allocation_handle_abandoned (FzRelayLink *self,
                                           const FzRelayRequest *request,
                                           FzInstant now);

void fz_relay_allocation_handle_timeout (FzRelayLink *self, FzInstant now);
FzInstant fz_relay_allocation_next_timeout (const FzRelayLink *self);

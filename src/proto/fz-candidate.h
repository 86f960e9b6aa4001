/* fz-candidate.h
 *
 * One address at which a node may be reached, and its one-line text form on the
 * portal (connectivity.md §3.3; §4.2 for connections without ICE). Values only.
 *
 * A candidate of ours carries two addresses: where peers reach it (address) and
 * the socket of ours it stands on (base). In the text form of ICE the second
 * is never shown; without ICE it is, as raddr and rport.
 */
#pragma once

#include "src/base/fz-address.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum {
  FZ_CANDIDATE_HOST,
  FZ_CANDIDATE_PEER_REFLEXIVE,
  FZ_CANDIDATE_SERVER_REFLEXIVE,
  FZ_CANDIDATE_RELAYED,
} FzCandidateKind;

#define FZ_CANDIDATE_FOUNDATION_MAX 33  /* with the terminating zero */
#define FZ_CANDIDATE_UFRAG_MAX      257 /* with the terminating zero (RFC 8839 §5.4) */
#define FZ_CANDIDATE_TEXT_MAX       512 /* the longest line we write, with the terminating zero */

/* Type preferences of the priority formula, §3.2. */
#define FZ_CANDIDATE_HOST_PREFERENCE             126u
#define FZ_CANDIDATE_PEER_REFLEXIVE_PREFERENCE   110u
#define FZ_CANDIDATE_SERVER_REFLEXIVE_PREFERENCE 100u
#define FZ_CANDIDATE_RELAYED_PREFERENCE          2u

typedef struct {
  FzCandidateKind kind;
  FzSocketAddress address; /* where a peer sends to */
  FzSocketAddress base;    /* ours: host: address; reflexive: the socket that was mapped; relayed:
                              the socket that talks to the relay. Parsed: raddr and rport, family
                              FZ_IP_NONE if absent */
  uint32_t priority;
  char foundation[FZ_CANDIDATE_FOUNDATION_MAX];
  char ufrag[FZ_CANDIDATE_UFRAG_MAX]; /* "": not in the text */
} FzCandidate;

/* "host", "prflx", "srflx", "relay". */
const char *fz_candidate_kind_name (FzCandidateKind kind);

/* A candidate of ours without priority, foundation and ufrag: whoever signals it fills them in. */
FzCandidate fz_candidate_host (const FzSocketAddress *address);
FzCandidate fz_candidate_server_reflexive (const FzSocketAddress *address,
                                           const FzSocketAddress *base);
FzCandidate fz_candidate_relayed (const FzSocketAddress *address, const FzSocketAddress *base);

/**
 * fz_candidate_is_usable:
 *
 * Returns: false for addresses that nobody can send to or that §3.2 excludes
 *   (unspecified, multicast, broadcast, IPv4 link-local), for port 0, and for a
 *   reflexive candidate whose base is of the other family
 */
bool fz_candidate_is_usable (const FzCandidate *candidate);

/* (type_pref << 24) | (local_preference << 8) | 255 */
uint32_t fz_candidate_priority (FzCandidateKind kind, uint16_t local_preference);

/**
 * fz_candidate_parse:
 * @text: one line; words may be separated by any number of spaces
 * @out: (out): written only on success; ufrag and base as the text has them
 *
 * As lenient as §3.3 demands: key-value pairs in any order after the kind,
 * unknown keys skipped with their value. Text longer than 2048 bytes is refused.
 *
 * Returns: false if it is not a UDP candidate of component 1
 */
bool fz_candidate_parse (const char *text, FzCandidate *out);

/**
 * fz_candidate_format:
 *
 * The text form of ICE (§3.3): srflx and relay carry the placeholder raddr and
 * rport of their family, ufrag is written if there is one.
 */
const char *fz_candidate_format (const FzCandidate *candidate, char out[FZ_CANDIDATE_TEXT_MAX]);

/* The text form without ICE (§4.2): fixed priority, own foundation, the true base. Peer-reflexive
 * becomes srflx. Priority, foundation and ufrag of @candidate are not used. */
const char *fz_candidate_format_iceless (const FzCandidate *candidate,
                                         char out[FZ_CANDIDATE_TEXT_MAX]);

/* The text that withdraws a relayed candidate in ICE mode (§3.3, Invalidation). */
const char *fz_candidate_format_invalidation (const FzCandidate *candidate,
                                              char out[FZ_CANDIDATE_TEXT_MAX]);

/* 16 hex digits that depend on kind, address and base: RFC 8445 §5.1.1.3 as far as it matters. */
void fz_candidate_set_foundation (FzCandidate *candidate);

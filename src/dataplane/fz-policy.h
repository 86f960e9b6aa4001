/* fz-policy.h
 *
 * An immutable table from networks to entries, asked with an address and a
 * protocol key. All entries of all covering networks compete; the best is the
 * one that (1) admits the key, (2) has the longer prefix, (3) the higher rank, (4) the higher
 * resource id (tunnel.md §3.2); the Internet resource's come after all (§3.3). Serves as the
 * client's routes, a gateway's routes to its clients, and each peer's permissions.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-uuid.h"
#include "src/dataplane/fz-filter.h"

struct FzPeer;

typedef enum {
  FZ_POLICY_ENTRY_PLAIN,
  FZ_POLICY_ENTRY_FALLBACK, /* a default route: counts only where no other entry covers the address
                             */
  FZ_POLICY_ENTRY_HOLE,     /* admits nothing itself, and keeps a shorter fallback out */
} FzPolicyEntryKind;

typedef struct {
  FzPolicyEntryKind kind;
  FzIpNetwork network;
  FzUuid resource;         /* zero for routes that belong to no resource */
  const FzFilter *filters; /* copied by fz_policy_new */
  size_t n_filters;
  uint32_t rank;       /* of entries for one network: the higher wins */
  struct FzPeer *peer; /* where packets go; NULL: ask the engine */
} FzPolicyEntry;

typedef struct FzPolicy FzPolicy;

/* Copies @entries and their filters; peers are borrowed. Never NULL. */
FzPolicy *fz_policy_new (const FzPolicyEntry *entries, size_t n_entries);
void fz_policy_free (FzPolicy *self);

/* Unique in the process and never 0: tells policies apart where an address may have been reused. */
uint64_t fz_policy_get_serial (const FzPolicy *self);

typedef enum {
  FZ_POLICY_NO_ENTRY, /* nothing covers the address */
  FZ_POLICY_DENIED,   /* the best entry's filters say no */
  FZ_POLICY_ADMITTED,
} FzPolicyAnswer;

/* @out_entry: (optional): the best entry, untouched for FZ_POLICY_NO_ENTRY. */
FzPolicyAnswer fz_policy_lookup (const FzPolicy *self,
                                 const FzIp *ip,
                                 FzProtocolKey key,
                                 const FzPolicyEntry **out_entry);

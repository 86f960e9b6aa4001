/* fz-grants.h
 *
 * Who may reach what on this gateway, and until when: clients by id, each with
 * its TUN addresses and its grants. Plain records with one deadline per client;
 * what follows from an expiry is the gateway's affair.
 */
#pragma once

#include "src/base/fz-instant.h"
#include "src/dataplane/fz-policy.h"
#include "src/engine/fz-model.h"
#include "src/engine/fz-translations.h"

#include <glib.h>

typedef struct {
  FzUuid resource_id;   /* the key; the copy below is replaced now and then */
  FzResource *resource; /* owned copy */
  FzInstant expires_at; /* FZ_INSTANT_NEVER: no end */
} FzHeldGrant;

typedef struct {
  FzUuid id;
  FzIp ipv4; /* TUN addresses */
  FzIp ipv6;
  GHashTable *grants;           /* resource id to FzHeldGrant */
  uint32_t handle;              /* in the heap of deadlines */
  bool is_connected;            /* the host has been told so */
  FzTranslations *translations; /* owned; NULL: it has announced no names */
  FzInstant announced_until;    /* its announcements are paid for until then */
} FzGrantee;

typedef struct FzGrants FzGrants;

FzGrants *fz_grants_new (void);
void fz_grants_free (FzGrants *self);

size_t fz_grants_get_n_grantees (const FzGrants *self);
FzGrantee *fz_grants_find (const FzGrants *self, const FzUuid *client_id);
FzGrantee *fz_grants_find_by_ip (const FzGrants *self, const FzIp *ip);
const FzHeldGrant *fz_grants_find_grant (const FzGrantee *grantee, const FzUuid *resource_id);
void fz_grants_iter_init (const FzGrants *self, GHashTableIter *iter); /* values: FzGrantee */

/* The client with these addresses. One that changed an address starts anew, and an address belongs
 * to whom claimed it last. */
FzGrantee *
fz_grants_put (FzGrants *self, const FzUuid *client_id, const FzIp *ipv4, const FzIp *ipv6);
void fz_grants_remove (FzGrants *self, const FzUuid *client_id);

/* Adds, or gives a known one @resource's name and filters and the new expiry; its address stays
 * (tunnel.md §6.2). False at FZ_RESOURCES_MAX. */
bool fz_grants_grant (FzGrants *self,
                      FzGrantee *grantee,
                      const FzResource *resource,
                      FzInstant expires_at);
bool fz_grants_set_expiry (FzGrants *self,
                           FzGrantee *grantee,
                           const FzUuid *resource_id,
                           FzInstant expires_at);
bool fz_grants_revoke (FzGrants *self, FzGrantee *grantee, const FzUuid *resource_id);

/* Revokes what is not in @keep (a set of FzUuid; NULL: nothing is). Returns: whether any was */
bool fz_grants_retain (FzGrants *self, FzGrantee *grantee, GHashTable *keep);

/* Name and filters of @resource for this client; false if it does not hold it. */
bool fz_grants_update (FzGrantee *grantee, const FzResource *resource);

/* A client with a grant that has expired by @now; those are revoked. NULL: none left. */
FzGrantee *fz_grants_pop_expired (FzGrants *self, FzInstant now);
FzInstant fz_grants_next_timeout (const FzGrants *self);

/* Whether it holds an Internet resource: then what is no public address is unreachable, rather
 * than prohibited (tunnel.md §6.4). */
bool fz_grants_has_internet (const FzGrantee *grantee);

/* What the client may reach, for the lanes. The caller frees it. */
FzPolicy *fz_grants_make_permissions (const FzGrantee *grantee);

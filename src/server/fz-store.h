/* fz-store.h
 *
 * Everything the portal remembers: who there is, what they may reach, which
 * devices exist and which access is in force. One SQLite file, one process that
 * writes; the data model is drawn in README.md.
 *
 * Functions that take text from people check it and answer with words; ids are
 * lower-case UUIDs. "List" functions return JSON for the command line, "load"
 * functions return records for the sockets. All run on the main thread.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-rng.h"
#include "src/server/fz-database.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FzStore FzStore;

/* When nothing else limits an access or a TURN credential: 2038-01-01T00:00:00Z. */
#define FZ_STORE_FOREVER INT64_C (2145916800)

#define FZ_STORE_NAME_MAX               255u /* bytes */
#define FZ_STORE_SITE_MAX               64u
#define FZ_STORE_SIGN_IN_LIFETIME_MIN_S 3600
#define FZ_STORE_SIGN_IN_LIFETIME_MAX_S 7776000 /* portal-protocol.md §2.6 */
#define FZ_STORE_PSK_SIZE               32u
#define FZ_STORE_KEY_SIZE               32u

#define FZ_GROUP_EVERYONE "Everyone"

/**
 * fz_store_open:
 * @path: database file; ":memory:" for tests
 * @rng: for ids, secrets and addresses; copied
 *
 * Opens the database and brings its schema up to date. A file written by a newer
 * portal is refused.
 */
FzStore *fz_store_open (const char *path, const FzRng *rng, GError **error);
void fz_store_free (FzStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzStore, fz_store_free)

FzDatabase *fz_store_database (FzStore *self);
const FzRng *fz_store_rng (FzStore *self);
int64_t fz_store_now (void); /* unix seconds */

/* A fresh version 4 UUID as text; g_free. */
char *fz_store_new_id (FzStore *self);

/* -- finding things by name or id -- */

typedef enum {
  FZ_THING_ACCOUNT,
  FZ_THING_ACTOR, /* also by e-mail */
  FZ_THING_GROUP,
  FZ_THING_SITE,
  FZ_THING_RESOURCE,
  FZ_THING_POLICY, /* also as "group:resource" */
  FZ_THING_CLIENT,
  FZ_THING_GATEWAY,
  FZ_THING_TOKEN,
  FZ_THING_RELAY,
  FZ_THING_GRANT,
} FzThing;

const char *fz_thing_name (FzThing thing); /* "site" */

/* Id of the only @thing with that name or id; g_free. */
char *fz_store_find (
    FzStore *self, FzThing thing, const char *account_id, const char *name_or_id, GError **error);

/* All of them as an array of objects; @filter: see the module that owns the thing. */
JsonArray *fz_store_list (
    FzStore *self, FzThing thing, const char *account_id, const char *id, GError **error);

/* The one with that id; NOT_FOUND if it has gone. */
JsonObject *fz_store_show (
    FzStore *self, FzThing thing, const char *account_id, const char *id, GError **error);

/* Deletes it with everything that hangs on it. */
bool fz_store_remove (
    FzStore *self, FzThing thing, const char *account_id, const char *id, GError **error);

/* -- account -- */

typedef enum {
  FZ_DNS_SYSTEM,
  FZ_DNS_CUSTOM, /* the servers listed */
  FZ_DNS_SECURE, /* DNS over HTTPS at a known provider */
} FzDnsMode;

typedef struct {
  char *id;
  char *name;
  char *slug;
  bool is_disabled;
  bool has_iceless;
  FzDnsMode dns_mode;
  GStrv dns_servers;          /* addresses; FZ_DNS_CUSTOM only */
  char *doh_url;              /* FZ_DNS_SECURE only, else NULL */
  char *search_domain;        /* or NULL */
  int64_t sign_in_lifetime_s; /* of tokens made by the sign-in page */
  uint8_t ingest_key[FZ_STORE_KEY_SIZE];
} FzAccount;

void fz_account_free (FzAccount *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzAccount, fz_account_free)

/* New account with its managed group; slug NULL is made from the name. Returns its id. */
char *fz_store_account_add (FzStore *self, const char *name, const char *slug, GError **error);
FzAccount *fz_store_account_load (FzStore *self, const char *id, GError **error);

/* Members present in @changes are applied: name, slug, disabled, iceless, dns (system, custom,
 * secure), dns_servers, doh_provider, search_domain ("" removes it), sign_in_lifetime_s. */
bool fz_store_account_update (FzStore *self, const char *id, JsonObject *changes, GError **error);

/* -- actors, groups, memberships, sites -- */

char *fz_store_actor_add (FzStore *self,
                          const char *account_id,
                          const char *type, /* account_user, account_admin_user, service_account */
                          const char *name,
                          const char *email, /* or NULL */
                          GError **error);
/* Changes: name, email ("" removes it), type, disabled. */
bool fz_store_actor_update (FzStore *self, const char *id, JsonObject *changes, GError **error);

/* Ends what the sign-in page made for the actor: tokens, and connections with them. */
bool fz_store_actor_sign_out (FzStore *self, const char *id, GError **error);

/* -- passwords -- */

#define FZ_PASSWORD_MIN 10u  /* characters */
#define FZ_PASSWORD_MAX 256u /* bytes */

/* What signing in needs to know of a person. */
typedef struct {
  char *actor_id;
  char *name;
  char *email;
  char *password_hash; /* NULL: no password set, so none is right */
  bool is_disabled;
} FzCredential;

void fz_credential_free (FzCredential *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzCredential, fz_credential_free)

/* The person with that address, however it is capitalized; NULL without @error if there is none.
 * Service accounts do not sign in. */
FzCredential *
fz_store_credential_find (FzStore *self, const char *account_id, const char *email, GError **error);
FzCredential *fz_store_credential_load (FzStore *self, const char *actor_id, GError **error);

/* INVALID with words for what is too short, too long, or what anybody would guess. */
bool fz_store_password_check (const FzCredential *credential, const char *password, GError **error);

/* @hash as made by fz-password.h; NULL takes the password away. */
bool fz_store_password_put (FzStore *self, const char *actor_id, const char *hash, GError **error);

/* The same password at another cost, unless it has been changed since @old_hash was read. */
bool fz_store_password_renew (FzStore *self,
                              const char *actor_id,
                              const char *old_hash,
                              const char *new_hash,
                              GError **error);
bool fz_store_password_note_use (FzStore *self, const char *actor_id, int64_t now, GError **error);

char *fz_store_group_add (FzStore *self, const char *account_id, const char *name, GError **error);
bool fz_store_group_rename (FzStore *self, const char *id, const char *name, GError **error);
bool
fz_store_member_add (FzStore *self, const char *group_id, const char *actor_id, GError **error);
bool
fz_store_member_remove (FzStore *self, const char *group_id, const char *actor_id, GError **error);
JsonArray *fz_store_member_list (FzStore *self, const char *group_id, GError **error);

char *fz_store_site_add (FzStore *self, const char *account_id, const char *name, GError **error);
bool fz_store_site_rename (FzStore *self, const char *id, const char *name, GError **error);

/* -- resources and policies -- */

typedef struct {
  char *id;
  char *type; /* cidr, ip, dns, internet */
  char *name;
  char *address;     /* NULL for internet */
  char *description; /* or NULL */
  char *ip_stack;    /* dns only, else NULL */
  char *filters;   /* JSON array in the wire's shape: [{"protocol":"tcp","port_range_start":…}] */
  char *site_id;   /* or NULL */
  char *site_name; /* or NULL */
} FzResourceRecord;

void fz_resource_record_clear (FzResourceRecord *self);
void fz_resource_record_free (FzResourceRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzResourceRecord, fz_resource_record_free)

typedef struct {
  const char *name;
  const char *type;        /* NULL: told from the address */
  const char *address;     /* NULL for internet */
  const char *description; /* or NULL */
  const char *ip_stack;    /* or NULL */
  const char *site_id;
  const char *const *filters; /* "tcp/443", "udp/5000-6000", "icmp"; NULL: everything passes */
} FzResourceSpec;

char *fz_store_resource_add (FzStore *self,
                             const char *account_id,
                             const FzResourceSpec *spec,
                             GError **error);

/* Changes: name, address, description, ip_stack, site_id, filters (array of text). What a gateway
 * could not apply in place (address, site, IP stack) ends the access in force. */
bool fz_store_resource_update (FzStore *self, const char *id, JsonObject *changes, GError **error);
FzResourceRecord *fz_store_resource_load (FzStore *self, const char *id, GError **error);

/* @conditions: JSON array as in fz-condition.h, checked there; NULL for none. */
char *fz_store_policy_add (FzStore *self,
                           const char *account_id,
                           const char *group_id,
                           const char *resource_id,
                           const char *description,
                           const char *conditions,
                           GError **error);

/* Changes: description, disabled, group_id, resource_id, conditions (array). Everything but the
 * description ends the access in force. */
bool fz_store_policy_update (FzStore *self, const char *id, JsonObject *changes, GError **error);

/* One policy that concerns an actor, with its resource. */
typedef struct {
  char *policy_id;
  char *membership_id; /* NULL for the managed group */
  char *conditions;    /* JSON array */
  FzResourceRecord resource;
} FzEntitlement;

/* Every enabled policy of the actor's groups whose resource has a site: FzEntitlement, ordered by
 * resource. */
GPtrArray *fz_store_entitlements (FzStore *self, const char *actor_id, GError **error);

/* -- tokens -- */

typedef enum {
  FZ_TOKEN_CLIENT,
  FZ_TOKEN_GATEWAY,
  FZ_TOKEN_RELAY,
} FzTokenKind;

const char *fz_token_kind_name (FzTokenKind kind); /* "client" */

typedef struct {
  char *id;
  FzTokenKind kind;
  char *account_id; /* NULL for relay tokens */
  char *actor_id;   /* client tokens */
  char *actor_name;
  char *actor_email; /* or NULL */
  char *actor_type;
  char *site_id;            /* gateway tokens */
  char *gateway_id;         /* gateway tokens bound to one gateway, else NULL */
  int64_t expires_at;       /* unix seconds; FZ_STORE_FOREVER if it never does */
  bool is_account_disabled; /* the token is good, but nobody of its account is let in */
} FzTokenRecord;

void fz_token_record_free (FzTokenRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzTokenRecord, fz_token_record_free)

typedef struct {
  FzTokenKind kind;
  const char *account_id; /* NULL for relays */
  const char *name;       /* what people call it, or NULL */
  const char *actor_id;
  const char *site_id;
  const char *gateway_id;
  const char *nonce;  /* "" unless a browser sign-in brought one */
  int64_t expires_at; /* unix seconds; 0: never */
  bool is_sign_in;    /* made by the sign-in page rather than by command */
} FzTokenSpec;

/* Returns the id; @out_text is the token itself, shown once and never stored. */
char *fz_store_token_add (FzStore *self, const FzTokenSpec *spec, char **out_text, GError **error);

/**
 * fz_store_token_verify:
 * @text: what the peer presented
 *
 * Returns: the record of a token of that kind which exists, has not expired and
 *   whose account and actor are enabled; NULL without @error if there is none
 */
FzTokenRecord *fz_store_token_verify (
    FzStore *self, FzTokenKind kind, const char *text, int64_t now, GError **error);

/* Ends a token that the sign-in page made; @out_is_ended: false for one of an administrator's,
 * which stays. */
bool fz_store_token_end_sign_in (FzStore *self, const char *id, bool *out_is_ended, GError **error);

/* Whether a connection that came in with this token may stay. */
bool fz_store_token_is_valid (
    FzStore *self, const char *id, int64_t now, bool *out_is_valid, GError **error);

/* -- devices -- */

typedef struct {
  char *id;
  char *account_id;
  char *name;
  char *actor_id; /* clients */
  char *site_id;  /* gateways */
  char *ipv4;
  char *ipv6;
  bool is_verified;
  uint8_t psk_base[FZ_STORE_PSK_SIZE];
} FzDeviceRecord;

void fz_device_record_free (FzDeviceRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDeviceRecord, fz_device_record_free)

/* What a device says about itself when it connects. */
typedef struct {
  const char *external_id;
  const char *name;
  const char *device_serial; /* or NULL, like the ones below */
  const char *device_uuid;
  const char *public_key; /* base64 */
  const char *user_agent;
  const char *version;
  const char *remote_ip;
} FzDeviceReport;

/* The client of (actor, external id) or the gateway of (site, external id), created with addresses
 * and a preshared secret if it is new; its last session is noted. */
FzDeviceRecord *fz_store_client_connect (FzStore *self,
                                         const FzTokenRecord *token,
                                         const FzDeviceReport *report,
                                         GError **error);
FzDeviceRecord *fz_store_gateway_connect (FzStore *self,
                                          const FzTokenRecord *token,
                                          const FzDeviceReport *report,
                                          GError **error);

/* NULL without @error when it has been deleted. */
FzDeviceRecord *fz_store_device_load (FzStore *self, const char *id, GError **error);

/* Changes: name, verified (clients). */
bool fz_store_device_update (FzStore *self, const char *id, JsonObject *changes, GError **error);

/* A gateway made before it first connects, for a token of its own. */
char *fz_store_gateway_add (FzStore *self, const char *site_id, const char *name, GError **error);

/**
 * fz_store_pick_address:
 * @base: first address of the range
 * @range_bits: host bits of the range, at most 32
 * @is_taken: asked for one offset at a time
 *
 * A random free address of a range without its first and last one, searched
 * upwards with wrap-around. FZ_SERVER_ERROR_EXHAUSTED when none is left.
 */
bool fz_store_pick_address (const FzRng *rng,
                            const FzIp *base,
                            unsigned range_bits,
                            bool (*is_taken) (const FzIp *ip, void *context),
                            void *context,
                            FzIp *out,
                            GError **error);

/* -- grants: access in force -- */

typedef struct {
  char *id;
  char *policy_id;
  char *resource_id;
  char *client_id;
  char *receiver_id;  /* the gateway */
  int64_t expires_at; /* unix seconds */
} FzGrant;

void fz_grant_free (FzGrant *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzGrant, fz_grant_free)

typedef struct {
  const char *account_id;
  const char *policy_id;
  const char *resource_id;
  const char *client_id;
  const char *receiver_id;
  const char *token_id;
  const char *membership_id; /* or NULL */
  int64_t expires_at;
} FzGrantSpec;

/* One grant per (client, receiver, resource): a newer one takes the older one's place. Returns its
 * id. */
char *fz_store_grant_put (FzStore *self, const FzGrantSpec *spec, GError **error);

/* Grants of a gateway that have not expired: FzGrant. */
GPtrArray *
fz_store_grants_of_receiver (FzStore *self, const char *receiver_id, int64_t now, GError **error);

/**
 * fz_store_gateway_joined:
 *
 * A gateway has joined with @public_key. If that is another key than the last
 * time, the process is a new one that knows none of its clients, and no session
 * with it can go on: its grants are deleted, so that clients are told to ask again
 * instead of finding out by silence.
 *
 * @out_is_new: whether that was the case: then fz_hub_reconcile_soon
 */
bool fz_store_gateway_joined (FzStore *self,
                              const char *gateway_id,
                              const char *public_key,
                              bool *out_is_new,
                              GError **error);

/* Whether any grant in force joins the two: what candidate forwarding asks. */
bool fz_store_grant_exists (FzStore *self,
                            const char *client_id,
                            const char *receiver_id,
                            int64_t now,
                            bool *out_exists,
                            GError **error);

/* Grants that were deleted, by whatever route, and not yet told to anybody. */
typedef struct {
  char *client_id;
  char *receiver_id;
  char *resource_id;
  int64_t expires_at;
} FzRevocation;

void fz_revocation_free (FzRevocation *self);

/* FzRevocation, oldest first; they are forgotten by this. */
GPtrArray *fz_store_take_revocations (FzStore *self, GError **error);

/* Deletes grants, and tokens of the sign-in page, that expired a day ago or more. */
bool fz_store_purge (FzStore *self, int64_t now, GError **error);

/* -- static relays: TURN servers that do not register themselves -- */

typedef struct {
  char *id;
  char *name;
  char *ipv4;   /* "192.0.2.1:3478" or NULL */
  char *ipv6;   /* "[2001:db8::1]:3478" or NULL */
  char *secret; /* shared with the server's REST API */
} FzStaticRelay;

void fz_static_relay_free (FzStaticRelay *self);

/* @addresses: one or two of "IP:PORT", of different families. */
char *fz_store_relay_add (FzStore *self,
                          const char *name,
                          const char *const *addresses,
                          const char *secret,
                          GError **error);
GPtrArray *fz_store_relays (FzStore *self, GError **error); /* FzStaticRelay */

/* Checks relay addresses as above; either result may stay NULL. */
bool fz_static_relay_parse_addresses (const char *const *addresses,
                                      char **out_ipv4,
                                      char **out_ipv6,
                                      GError **error);

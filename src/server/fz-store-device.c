/* fz-store-device.c
 *
 * Clients and gateways as devices: found again by the id they report, created on
 * first sight with two tunnel addresses and a secret that all their preshared
 * keys derive from. These three stay for the device's lifetime
 * (portal-protocol.md §§8.1, 8.2).
 */
#include "src/server/fz-store-private.h"

#include <string.h>

#define TUNNEL_V4   "100.64.0.0"
#define TUNNEL_V6   "fd00:2021:1111::"
#define TUNNEL_BITS 21u /* /11 and /107 */

void
fz_device_record_free (FzDeviceRecord *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self->account_id);
  g_free (self->name);
  g_free (self->actor_id);
  g_free (self->site_id);
  g_free (self->ipv4);
  g_free (self->ipv6);
  g_free (self);
}

/* -- addresses -- */

static FzIp
address_at (const FzIp *base, uint64_t offset)
{
  FzIp ip = *base;

  for (size_t i = fz_ip_size (base); i > 0 && offset > 0; i--, offset >>= 8)
    ip.bytes[i - 1] = (uint8_t) (ip.bytes[i - 1] | (offset & 0xff));
  return ip;
}

bool
fz_store_pick_address (const FzRng *rng,
                       const FzIp *base,
                       unsigned range_bits,
                       bool (*is_taken) (const FzIp *ip, void *context),
                       void *context,
                       FzIp *out,
                       GError **error)
{
  uint64_t n_usable = (UINT64_C (1) << range_bits) - 2; /* without the first and the last */
  uint64_t start = fz_rng_below (rng, n_usable);

  for (uint64_t i = 0; i < n_usable; i++) {
    FzIp ip = address_at (base, 1 + (start + i) % n_usable);

    if (!is_taken (&ip, context)) {
      *out = ip;
      return true;
    }
  }
  g_set_error (error,
               FZ_SERVER_ERROR,
               FZ_SERVER_ERROR_EXHAUSTED,
               "all tunnel addresses of the account are taken; remove devices that are gone");
  return false;
}

typedef struct {
  FzStore *store;
  const char *account_id;
  GError *error;
} FzTakenQuery;

/* On trouble with the database every address counts as free, so that the search ends; the caller
 * looks at the error first. */
static bool
is_address_taken (const FzIp *ip, void *context)
{
  FzTakenQuery *query = context;
  char text[FZ_IP_TEXT_MAX];
  int64_t exists = 0;

  fz_ip_format (ip, text);
  if (!fz_database_number (query->store->database,
                           "SELECT EXISTS (SELECT 1 FROM device WHERE account_id = ?1"
                           " AND (ipv4 = ?2 OR ipv6 = ?2))",
                           FZ_ARGS (FZ_TEXT (query->account_id), FZ_TEXT (text)),
                           0,
                           &exists,
                           &query->error))
    return false;
  return exists != 0;
}

static char *
allocate (FzStore *self, const char *account_id, const char *base_text, GError **error)
{
  FzTakenQuery query = { self, account_id, NULL };
  char text[FZ_IP_TEXT_MAX];
  FzIp base;
  FzIp ip;

  g_assert (fz_ip_parse (base_text, &base));
  if (!fz_store_pick_address (&self->rng, &base, TUNNEL_BITS, is_address_taken, &query, &ip, error))
    return NULL;
  if (query.error != NULL) {
    g_propagate_error (error, query.error);
    return NULL;
  }
  return g_strdup (fz_ip_format (&ip, text));
}

/* -- connecting -- */

/* Who a new device belongs to: an actor for a client, a site for a gateway. */
typedef struct {
  const char *type;
  const char *account_id;
  const char *actor_id;
  const char *site_id;
  const char *external_id; /* NULL for a gateway that is yet to connect */
  const char *name;
} FzDeviceOwner;

static char *
insert_device (FzStore *self, const FzDeviceOwner *owner, GError **error)
{
  g_autofree char *id = fz_store_new_id (self);
  g_autofree char *ipv4 = allocate (self, owner->account_id, TUNNEL_V4, error);
  g_autofree char *ipv6 = NULL;
  uint8_t psk_base[FZ_STORE_PSK_SIZE];

  if (ipv4 == NULL)
    return NULL;
  ipv6 = allocate (self, owner->account_id, TUNNEL_V6, error);
  if (ipv6 == NULL)
    return NULL;

  fz_rng_fill (&self->rng, psk_base, sizeof psk_base);
  if (!fz_database_run (
          self->database,
          "INSERT INTO device (id, account_id, type, external_id, name, psk_base, ipv4, ipv6,"
          " actor_id, site_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
          FZ_ARGS (FZ_TEXT (id),
                   FZ_TEXT (owner->account_id),
                   FZ_TEXT (owner->type),
                   FZ_TEXT (owner->external_id),
                   FZ_TEXT (owner->name),
                   FZ_BLOB (psk_base, sizeof psk_base),
                   FZ_TEXT (ipv4),
                   FZ_TEXT (ipv6),
                   FZ_TEXT (owner->actor_id),
                   FZ_TEXT (owner->site_id),
                   FZ_INT (fz_store_now ())),
          error))
    return NULL;
  return g_steal_pointer (&id);
}

FzDeviceRecord *
fz_store_device_load (FzStore *self, const char *id, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzDeviceRecord) device = NULL;
  g_autoptr (FzRows) rows = fz_database_query (
      self->database,
      "SELECT id, account_id, name, actor_id, site_id, ipv4, ipv6, verified_at IS NOT NULL,"
      " psk_base FROM device WHERE id = ?1",
      FZ_ARGS (FZ_TEXT (id)),
      error);

  if (rows == NULL)
    return NULL;
  if (!fz_rows_next (rows, &local_error)) {
    if (local_error != NULL)
      g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  device = g_new0 (FzDeviceRecord, 1);
  device->id = fz_rows_dup_text (rows, 0);
  device->account_id = fz_rows_dup_text (rows, 1);
  device->name = fz_rows_dup_text (rows, 2);
  device->actor_id = fz_rows_dup_text (rows, 3);
  device->site_id = fz_rows_dup_text (rows, 4);
  device->ipv4 = fz_rows_dup_text (rows, 5);
  device->ipv6 = fz_rows_dup_text (rows, 6);
  device->is_verified = fz_rows_integer (rows, 7) != 0;
  if (!fz_rows_blob (rows, 8, device->psk_base, sizeof device->psk_base)) {
    g_set_error (error,
                 FZ_SERVER_ERROR,
                 FZ_SERVER_ERROR_STORE_CORRUPT,
                 "the device %s has no usable secret; remove it, so that it is made anew",
                 id);
    return NULL;
  }
  return g_steal_pointer (&device);
}

static bool
note_session (FzStore *self, const char *id, const FzDeviceReport *report, GError **error)
{
  return fz_database_run (
      self->database,
      "UPDATE device SET public_key = ?2, user_agent = ?3, version = ?4, remote_ip = ?5,"
      " device_serial = ?6, device_uuid = ?7, last_seen_at = ?8 WHERE id = ?1",
      FZ_ARGS (FZ_TEXT (id),
               FZ_TEXT (report->public_key),
               FZ_TEXT (report->user_agent),
               FZ_TEXT (report->version),
               FZ_TEXT (report->remote_ip),
               FZ_TEXT (report->device_serial),
               FZ_TEXT (report->device_uuid),
               FZ_INT (fz_store_now ())),
      error);
}

/* The id in the first row, NULL without @error if there is no row. */
static bool
query_id (
    FzStore *self, const char *sql, const FzArg *args, size_t n_args, char **out, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzRows) rows = fz_database_query (self->database, sql, args, n_args, error);

  if (rows == NULL)
    return false;
  if (fz_rows_next (rows, &local_error))
    *out = fz_rows_dup_text (rows, 0);
  if (local_error == NULL)
    return true;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return false;
}

static FzDeviceRecord *
finish_connect (FzStore *self,
                const char *known_id,
                const FzDeviceOwner *owner,
                const FzDeviceReport *report,
                FzTransaction *transaction,
                GError **error)
{
  g_autofree char *id = known_id != NULL ? g_strdup (known_id) : insert_device (self, owner, error);
  g_autoptr (FzDeviceRecord) device = NULL;

  if (id == NULL || !note_session (self, id, report, error))
    return NULL;
  device = fz_store_device_load (self, id, error);
  if (device == NULL || !fz_transaction_commit (transaction, error))
    return NULL;
  return g_steal_pointer (&device);
}

FzDeviceRecord *
fz_store_client_connect (FzStore *self,
                         const FzTokenRecord *token,
                         const FzDeviceReport *report,
                         GError **error)
{
  FzDeviceOwner owner = { "client", token->account_id,   token->actor_id,
                          NULL,     report->external_id, report->name };
  g_auto (FzTransaction) transaction = { NULL };
  g_autofree char *id = NULL;

  if (!fz_transaction_begin (&transaction, self->database, error) ||
      !query_id (self,
                 "SELECT id FROM device WHERE actor_id = ?1 AND external_id = ?2",
                 FZ_ARGS (FZ_TEXT (token->actor_id), FZ_TEXT (report->external_id)),
                 &id,
                 error))
    return NULL;
  return finish_connect (self, id, &owner, report, &transaction, error);
}

FzDeviceRecord *
fz_store_gateway_connect (FzStore *self,
                          const FzTokenRecord *token,
                          const FzDeviceReport *report,
                          GError **error)
{
  FzDeviceOwner owner = { "gateway",      token->account_id,   NULL,
                          token->site_id, report->external_id, report->name };
  g_auto (FzTransaction) transaction = { NULL };
  g_autofree char *id = g_strdup (token->gateway_id);

  if (!fz_transaction_begin (&transaction, self->database, error))
    return NULL;
  if (id == NULL && !query_id (self,
                               "SELECT id FROM device WHERE site_id = ?1 AND external_id = ?2",
                               FZ_ARGS (FZ_TEXT (token->site_id), FZ_TEXT (report->external_id)),
                               &id,
                               error))
    return NULL;
  return finish_connect (self, id, &owner, report, &transaction, error);
}

char *
fz_store_gateway_add (FzStore *self, const char *site_id, const char *name, GError **error)
{
  g_autofree char *clean = fz_store_check_name ("gateway's name", name, FZ_STORE_NAME_MAX, error);
  g_autofree char *account_id = NULL;

  if (clean == NULL || !query_id (self,
                                  "SELECT account_id FROM site WHERE id = ?1",
                                  FZ_ARGS (FZ_TEXT (site_id)),
                                  &account_id,
                                  error))
    return NULL;
  return insert_device (
      self, &(FzDeviceOwner){ "gateway", account_id, NULL, site_id, NULL, clean }, error);
}

/* -- changes -- */

static bool
set_verified (FzStore *self, const char *id, bool is_verified, GError **error)
{
  if (!fz_database_run (
          self->database,
          "UPDATE device SET verified_at = ?2 WHERE id = ?1 AND type = 'client'",
          FZ_ARGS (FZ_TEXT (id), is_verified ? FZ_INT (fz_store_now ()) : FZ_SQL_NULL),
          error))
    return false;
  /* Which of its accesses needed the verification is decided anew when it asks again (§8.9). */
  return is_verified || fz_database_run (self->database,
                                         "DELETE FROM access_grant WHERE client_id = ?1",
                                         FZ_ARGS (FZ_TEXT (id)),
                                         error);
}

bool
fz_store_device_update (FzStore *self, const char *id, JsonObject *changes, GError **error)
{
  g_auto (FzTransaction) transaction = { NULL };
  const char *name = NULL;
  bool is_verified = false;
  bool is_present = false;

  if (!fz_transaction_begin (&transaction, self->database, error) ||
      !fz_store_change_text (changes, "name", &name, &is_present, error))
    return false;
  if (is_present) {
    g_autofree char *clean = fz_store_check_name ("device's name", name, FZ_STORE_NAME_MAX, error);

    if (clean == NULL || !fz_database_run (self->database,
                                           "UPDATE device SET name = ?2 WHERE id = ?1",
                                           FZ_ARGS (FZ_TEXT (id), FZ_TEXT (clean)),
                                           error))
      return false;
  }
  if (!fz_store_change_bool (changes, "verified", &is_verified, &is_present, error) ||
      (is_present && !set_verified (self, id, is_verified, error)))
    return false;
  return fz_transaction_commit (&transaction, error);
}

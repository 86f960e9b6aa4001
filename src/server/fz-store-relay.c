/* fz-store-relay.c
 *
 * Static relays: TURN servers such as coturn, which share a secret with us and
 * do not register. Peers expect the realm "firezone" there.
 */
#include "src/server/fz-store-private.h"

#define SECRET_MAX 512u /* bytes */

void
fz_static_relay_free (FzStaticRelay *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self->name);
  g_free (self->ipv4);
  g_free (self->ipv6);
  g_free (self->secret);
  g_free (self);
}

bool
fz_static_relay_parse_addresses (const char *const *addresses,
                                 char **out_ipv4,
                                 char **out_ipv6,
                                 GError **error)
{
  g_autofree char *ipv4 = NULL;
  g_autofree char *ipv6 = NULL;

  for (size_t i = 0; addresses != NULL && addresses[i] != NULL; i++) {
    char buffer[FZ_SOCKET_ADDRESS_TEXT_MAX];
    FzSocketAddress address;
    char **slot;

    if (!fz_socket_address_parse (addresses[i], &address) || address.port == 0) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "\"%s\" is not an address; write it like 192.0.2.1:3478 or [2001:db8::1]:3478",
                   addresses[i]);
      return false;
    }
    slot = address.ip.family == FZ_IP_V4 ? &ipv4 : &ipv6;
    if (*slot != NULL) {
      g_set_error (error,
                   FZ_SERVER_ERROR,
                   FZ_SERVER_ERROR_INVALID,
                   "a relay has at most one IPv4 and one IPv6 address");
      return false;
    }
    *slot = g_strdup (fz_socket_address_format (&address, buffer));
  }

  if (ipv4 == NULL && ipv6 == NULL) {
    g_set_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID, "a relay needs an address");
    return false;
  }
  *out_ipv4 = g_steal_pointer (&ipv4);
  *out_ipv6 = g_steal_pointer (&ipv6);
  return true;
}

char *
fz_store_relay_add (FzStore *self,
                    const char *name,
                    const char *const *addresses,
                    const char *secret,
                    GError **error)
{
  g_autofree char *clean = fz_store_check_name ("relay's name", name, FZ_STORE_NAME_MAX, error);
  g_autofree char *clean_secret = NULL;
  g_autofree char *id = fz_store_new_id (self);
  g_autofree char *ipv4 = NULL;
  g_autofree char *ipv6 = NULL;

  if (clean == NULL)
    return NULL;
  clean_secret = fz_store_check_name ("relay's secret", secret, SECRET_MAX, error);
  if (clean_secret == NULL || !fz_static_relay_parse_addresses (addresses, &ipv4, &ipv6, error))
    return NULL;
  if (!fz_database_run (self->database,
                        "INSERT INTO static_relay (id, name, ipv4, ipv6, secret, created_at)"
                        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        FZ_ARGS (FZ_TEXT (id),
                                 FZ_TEXT (clean),
                                 FZ_TEXT (ipv4),
                                 FZ_TEXT (ipv6),
                                 FZ_TEXT (clean_secret),
                                 FZ_INT (fz_store_now ())),
                        error)) {
    fz_store_explain_conflict (error, "relay", clean);
    return NULL;
  }
  return g_steal_pointer (&id);
}

GPtrArray *
fz_store_relays (FzStore *self, GError **error)
{
  g_autoptr (GPtrArray) list =
      g_ptr_array_new_with_free_func ((GDestroyNotify) (void (*) (void)) fz_static_relay_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (FzRows) rows =
      fz_database_query (self->database,
                         "SELECT id, name, ipv4, ipv6, secret FROM static_relay ORDER BY id",
                         FZ_NO_ARGS,
                         error);

  if (rows == NULL)
    return NULL;
  while (fz_rows_next (rows, &local_error)) {
    FzStaticRelay *relay = g_new0 (FzStaticRelay, 1);

    relay->id = fz_rows_dup_text (rows, 0);
    relay->name = fz_rows_dup_text (rows, 1);
    relay->ipv4 = fz_rows_dup_text (rows, 2);
    relay->ipv6 = fz_rows_dup_text (rows, 3);
    relay->secret = fz_rows_dup_text (rows, 4);
    g_ptr_array_add (list, relay);
  }
  if (local_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&local_error));
    return NULL;
  }
  return g_steal_pointer (&list);
}

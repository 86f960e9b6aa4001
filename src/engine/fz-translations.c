/* fz-translations.c: see the header */

#include "src/engine/fz-translations.h"

#include "src/dataplane/fz-policy.h"
#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-ip-table.h"

#include <string.h>

typedef struct {
  char *name;
  FzIp proxies[FZ_P2P_ASSIGNED_IPS_MAX];
  FzIp targets[FZ_P2P_ASSIGNED_IPS_MAX]; /* FZ_IP_NONE: none */
  size_t n;
  GArray *resources;  /* of FzUuid, in the order of announcement */
  uint64_t announced; /* number of the announcement */
} Domain;

struct FzTranslations {
  GPtrArray *unused;
  GHashTable *by_name;
  GHashTable *by_proxy; /* FzIp inside the Domain, to it */
  uint64_t n_announced;
  FzNat *nat;
};

static void
free_domain (void *data)
{
  Domain *domain = data;

  g_array_unref (domain->resources);
  g_free (domain->name);
  g_free (domain);
}

FzTranslations *
fz_translations_new (GPtrArray *unused)
{
  FzTranslations *self = g_new0 (FzTranslations, 1);

  self->unused = unused;
  self->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_domain);
  self->by_proxy = fz_ip_table_new (NULL);
  self->nat = fz_nat_new ();
  return self;
}

void
fz_translations_free (FzTranslations *self)
{
  if (self == NULL)
    return;
  g_ptr_array_add (self->unused, self->nat);
  g_hash_table_unref (self->by_proxy);
  g_hash_table_unref (self->by_name);
  g_free (self);
}

/* -- names -- */

static void
remove_domain (FzTranslations *self, const Domain *domain)
{
  for (size_t i = 0; i < domain->n; i++)
    g_hash_table_remove (self->by_proxy, &domain->proxies[i]);
  g_hash_table_remove (self->by_name, domain->name);
}

static bool
is_renumbered (const FzTranslations *self, const FzP2pAssignedIps *announced)
{
  for (size_t i = 0; i < announced->n_ips; i++) {
    const Domain *domain = g_hash_table_lookup (self->by_proxy, &announced->ips[i]);

    if (domain != NULL && strcmp (domain->name, announced->domain) != 0)
      return true;
  }
  return false;
}

static void
start_over (FzTranslations *self)
{
  g_hash_table_remove_all (self->by_proxy);
  g_hash_table_remove_all (self->by_name);
  g_ptr_array_add (self->unused, self->nat);
  self->nat = fz_nat_new ();
}

static void
make_room (FzTranslations *self)
{
  const Domain *oldest = NULL;
  GHashTableIter iter;
  gpointer value;

  if (g_hash_table_size (self->by_name) < FZ_TRANSLATED_DOMAINS_MAX)
    return;
  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (oldest == NULL || ((const Domain *) value)->announced < oldest->announced)
      oldest = value;
  remove_domain (self, oldest);
}

/* With the addresses that are announced now; those it had and has not any more are nobody's. */
static Domain *
put_domain (FzTranslations *self, const FzP2pAssignedIps *announced)
{
  Domain *domain = g_hash_table_lookup (self->by_name, announced->domain);

  if (domain == NULL) {
    make_room (self);
    domain = g_new0 (Domain, 1);
    domain->name = g_strdup (announced->domain);
    domain->resources = g_array_new (FALSE, FALSE, sizeof (FzUuid));
    g_hash_table_insert (self->by_name, domain->name, domain);
  }
  for (size_t i = 0; i < domain->n; i++)
    g_hash_table_remove (self->by_proxy, &domain->proxies[i]);
  domain->n = 0;
  for (size_t i = 0; i < announced->n_ips; i++) {
    FzIp *proxy = &domain->proxies[domain->n];

    if (!fz_nat_is_proxy_ip (&announced->ips[i]) ||
        g_hash_table_contains (self->by_proxy, &announced->ips[i]))
      continue;
    *proxy = announced->ips[i];
    domain->n++;
    g_hash_table_insert (self->by_proxy, proxy, domain);
  }
  domain->announced = ++self->n_announced;
  return domain;
}

static void
attach (Domain *domain, const FzUuid *resource_id)
{
  for (guint i = 0; i < domain->resources->len; i++)
    if (fz_uuid_equal (&g_array_index (domain->resources, FzUuid, i), resource_id))
      return;
  if (domain->resources->len >= FZ_TRANSLATED_RESOURCES_MAX)
    g_array_remove_index (domain->resources, 0);
  g_array_append_val (domain->resources, *resource_id);
}

/* -- targets -- */

static gint
compare_ips (gconstpointer a, gconstpointer b)
{
  return fz_ip_compare (a, b);
}

/* Nobody behind the gateway: its own machine, everybody, and the tunnel's own ranges, through which
 * a name could lead to other clients. */
static bool
may_be_target (const FzIp *ip)
{
  return fz_ip_size (ip) > 0 && !fz_ip_is_loopback (ip) && !fz_ip_is_unspecified (ip) &&
         !fz_ip_is_multicast (ip) && !fz_ip_is_broadcast (ip) && !fz_nat_is_proxy_ip (ip) &&
         !fz_ip_network_contains (fz_address_plan_get (FZ_RANGE_TUNNEL_V4), ip) &&
         !fz_ip_network_contains (fz_address_plan_get (FZ_RANGE_TUNNEL_V6), ip);
}

static GArray *
select_ips (const FzIp *ips, size_t n_ips, FzIpFamily family)
{
  GArray *selected = g_array_new (FALSE, FALSE, sizeof (FzIp));

  for (size_t i = 0; i < n_ips; i++)
    if (ips[i].family == family && may_be_target (&ips[i]))
      g_array_append_val (selected, ips[i]);
  g_array_sort (selected, compare_ips);
  for (guint i = selected->len; i-- > 1;)
    if (fz_ip_equal (&g_array_index (selected, FzIp, i), &g_array_index (selected, FzIp, i - 1)))
      g_array_remove_index (selected, i);
  return selected;
}

/* Both sides in order (§5.4.3). */
static void
deal_out (Domain *domain, const FzIp *ips, size_t n_ips, FzIpFamily family)
{
  g_autoptr (GArray) real = select_ips (ips, n_ips, family);
  guint next = 0;

  for (size_t i = 0; i < domain->n; i++) {
    if (domain->proxies[i].family != family)
      continue;
    domain->targets[i] =
        real->len > 0 ? g_array_index (real, FzIp, next++ % real->len) : (FzIp){ 0 };
  }
}

static void
sort_proxies (FzP2pAssignedIps *announced)
{
  qsort (announced->ips, announced->n_ips, sizeof *announced->ips, compare_ips);
}

void
fz_translations_set (FzTranslations *self,
                     const FzP2pAssignedIps *announced,
                     const FzIp *ips,
                     size_t n_ips)
{
  FzP2pAssignedIps sorted = *announced;
  Domain *domain;

  sort_proxies (&sorted);
  if (is_renumbered (self, &sorted))
    start_over (self);
  domain = put_domain (self, &sorted);
  attach (domain, &sorted.resource);
  deal_out (domain, ips, n_ips, FZ_IP_V4);
  deal_out (domain, ips, n_ips, FZ_IP_V6);
  for (size_t i = 0; i < domain->n; i++)
    if (domain->targets[i].family != FZ_IP_NONE)
      fz_nat_add_host (self->nat, &domain->targets[i]);
}

/* -- questions -- */

const FzIp *
fz_translations_find_target (const FzTranslations *self, const FzIp *proxy)
{
  const Domain *domain = g_hash_table_lookup (self->by_proxy, proxy);

  for (size_t i = 0; domain != NULL && i < domain->n; i++)
    if (fz_ip_equal (&domain->proxies[i], proxy))
      return domain->targets[i].family != FZ_IP_NONE ? &domain->targets[i] : NULL;
  return NULL;
}

FzNat *
fz_translations_get_nat (const FzTranslations *self)
{
  return self->nat;
}

static bool
is_attached (const Domain *domain, const FzUuid *resource_id)
{
  for (guint i = 0; i < domain->resources->len; i++)
    if (fz_uuid_equal (&g_array_index (domain->resources, FzUuid, i), resource_id))
      return true;
  return false;
}

void
fz_translations_append_entries (const FzTranslations *self,
                                const FzResource *resource,
                                GArray *entries)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const Domain *domain = value;

    if (!is_attached (domain, &resource->id))
      continue;
    for (size_t i = 0; i < domain->n; i++) {
      FzPolicyEntry entry = {
        .network = { domain->proxies[i], (uint8_t) (8 * fz_ip_size (&domain->proxies[i])) },
        .resource = resource->id,
        .filters = resource->filters,
        .n_filters = resource->n_filters,
      };

      g_array_append_val (entries, entry);
    }
  }
}

size_t
fz_translations_get_n_domains (const FzTranslations *self)
{
  return g_hash_table_size (self->by_name);
}

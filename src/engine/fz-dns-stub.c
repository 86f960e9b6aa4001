/* fz-dns-stub.c: see the header */

#include "src/engine/fz-dns-stub.h"

#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-dns-pattern.h"
#include "src/engine/fz-ip-table.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-uuid-table.h"

#include <string.h>

#define CANARY     "use-application-dns.net" /* NXDOMAIN tells browsers to leave DNS to the system */
#define RANGE_BITS 21u                       /* both proxy ranges */

typedef struct {
  FzUuid id;
  FzIpStack ip_stack;
  FzDnsPattern *pattern;
} Pattern;

struct FzDnsStub {
  GHashTable *by_id; /* of Pattern */
  uint64_t changes;  /* of the patterns */
  GHashTable *by_name;
  GHashTable *by_ip; /* FzIp inside the FzDnsDomain, to it */
  FzProxyPool pool;
  GArray *found; /* of const Pattern *, scratch */
};

/* -- proxy addresses -- */

static FzIp
make_ip (FzRange range, uint32_t offset)
{
  FzIp ip = fz_address_plan_get (range)->ip;
  uint8_t *end = ip.bytes + fz_ip_size (&ip);

  for (size_t i = 1; i <= 4; i++, offset >>= 8)
    end[-(ptrdiff_t) i] = (uint8_t) (end[-(ptrdiff_t) i] | offset);
  return ip;
}

bool
fz_proxy_pool_take (FzProxyPool *self, FzIpFamily family, FzIp *out)
{
  bool is_v4 = family == FZ_IP_V4;
  uint32_t *next = is_v4 ? &self->next_v4 : &self->next_v6;
  const FzIpNetwork *sentinels =
      fz_address_plan_get (is_v4 ? FZ_RANGE_SENTINEL_V4 : FZ_RANGE_SENTINEL_V6);
  FzIp ip;

  do {
    if (*next + 1 >= 1u << RANGE_BITS)
      return false;
    ip = make_ip (is_v4 ? FZ_RANGE_PROXY_V4 : FZ_RANGE_PROXY_V6, ++*next);
  } while (fz_ip_network_contains (sentinels, &ip));
  *out = ip;
  return true;
}

/* -- tables -- */

static void
free_pattern (void *data)
{
  Pattern *pattern = data;

  fz_dns_pattern_free (pattern->pattern);
  g_free (pattern);
}

static void
free_domain (void *data)
{
  FzDnsDomain *domain = data;

  g_array_unref (domain->matches);
  g_free (domain->name);
  g_free (domain);
}

FzDnsStub *
fz_dns_stub_new (void)
{
  FzDnsStub *self = g_new0 (FzDnsStub, 1);

  self->by_id = fz_uuid_table_new (free_pattern);
  self->changes = 1;
  self->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, free_domain);
  self->by_ip = fz_ip_table_new (NULL);
  self->found = g_array_new (FALSE, FALSE, sizeof (const Pattern *));
  return self;
}

void
fz_dns_stub_free (FzDnsStub *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->by_ip);
  g_hash_table_unref (self->by_name);
  g_hash_table_unref (self->by_id);
  g_array_unref (self->found);
  g_free (self);
}

bool
fz_dns_stub_add_resource (FzDnsStub *self, const FzResource *resource)
{
  FzDnsPattern *pattern = fz_dns_pattern_new (resource->pattern);
  Pattern *entry;

  if (pattern == NULL) {
    fz_dns_stub_remove_resource (self, &resource->id);
    return false;
  }
  entry = g_new0 (Pattern, 1);
  *entry = (Pattern){ resource->id, resource->ip_stack, pattern };
  g_hash_table_replace (self->by_id, &entry->id, entry);
  self->changes++;
  return true;
}

void
fz_dns_stub_remove_resource (FzDnsStub *self, const FzUuid *resource_id)
{
  self->changes += g_hash_table_remove (self->by_id, resource_id);
}

/* -- whose a name is -- */

static gint
compare_found (gconstpointer a, gconstpointer b)
{
  const Pattern *pattern_a = *(const Pattern *const *) a;
  const Pattern *pattern_b = *(const Pattern *const *) b;
  int order = fz_dns_pattern_compare (pattern_b->pattern, pattern_a->pattern);

  return order != 0 ? order : fz_uuid_compare (&pattern_b->id, &pattern_a->id);
}

/* Into self->found, best first. Returns: how many */
static guint
find_patterns (FzDnsStub *self, const char *name)
{
  GHashTableIter iter;
  gpointer value;

  g_array_set_size (self->found, 0);
  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (fz_dns_pattern_matches (((const Pattern *) value)->pattern, name))
      g_array_append_val (self->found, value);
  g_array_sort (self->found, compare_found);
  return self->found->len;
}

const FzDnsMatch *
fz_dns_stub_get_matches (FzDnsStub *self, const FzDnsDomain *domain, size_t *out_n)
{
  FzDnsDomain *own = g_hash_table_lookup (self->by_name, domain->name);

  if (own->as_of != self->changes) {
    own->as_of = self->changes;
    g_array_set_size (own->matches, 0);
    find_patterns (self, own->name);
    for (guint i = 0; i < self->found->len; i++) {
      const Pattern *pattern = g_array_index (self->found, const Pattern *, i);
      FzDnsMatch match = { pattern->id, pattern->ip_stack };

      g_array_append_val (own->matches, match);
    }
  }
  *out_n = own->matches->len;
  return (const FzDnsMatch *) own->matches->data;
}

bool
fz_dns_match_has_family (const FzDnsMatch *match, FzIpFamily family)
{
  switch (match->ip_stack) {
  case FZ_IP_STACK_DUAL:
    return true;
  case FZ_IP_STACK_IPV4_ONLY:
    return family == FZ_IP_V4;
  case FZ_IP_STACK_IPV6_ONLY:
    return family == FZ_IP_V6;
  }
  return false;
}

/* -- domains -- */

const FzDnsDomain *
fz_dns_stub_find (const FzDnsStub *self, const char *name)
{
  return g_hash_table_lookup (self->by_name, name);
}

const FzDnsDomain *
fz_dns_stub_find_by_ip (const FzDnsStub *self, const FzIp *ip)
{
  return g_hash_table_lookup (self->by_ip, ip);
}

size_t
fz_dns_stub_get_n_domains (const FzDnsStub *self)
{
  return g_hash_table_size (self->by_name);
}

static void
take_addresses (FzDnsStub *self, FzDnsDomain *domain, FzIpFamily family)
{
  for (size_t i = 0; i < FZ_DNS_PROXIES_PER_FAMILY; i++) {
    FzIp *ip = &domain->ips[domain->n_ips];

    if (!fz_proxy_pool_take (&self->pool, family, ip))
      return;
    domain->n_ips++;
    g_hash_table_insert (self->by_ip, ip, domain);
  }
}

/* NULL when there are too many already. */
static FzDnsDomain *
put_domain (FzDnsStub *self, const char *name)
{
  FzDnsDomain *domain = g_hash_table_lookup (self->by_name, name);

  if (domain != NULL || g_hash_table_size (self->by_name) >= FZ_DNS_DOMAINS_MAX)
    return domain;
  domain = g_new0 (FzDnsDomain, 1);
  domain->name = g_strdup (name);
  domain->matches = g_array_new (FALSE, FALSE, sizeof (FzDnsMatch));
  take_addresses (self, domain, FZ_IP_V4);
  domain->n_ipv4 = domain->n_ips;
  take_addresses (self, domain, FZ_IP_V6);
  g_hash_table_insert (self->by_name, domain->name, domain);
  return domain;
}

/* -- answers -- */

static bool
has_family (FzDnsStub *self, const FzDnsDomain *domain, FzIpFamily family)
{
  size_t n;
  const FzDnsMatch *matches = fz_dns_stub_get_matches (self, domain, &n);

  for (size_t i = 0; i < n; i++)
    if (fz_dns_match_has_family (&matches[i], family))
      return true;
  return false;
}

static void
answer_addresses (FzDnsStub *self, const FzDnsQuery *query, FzDnsStubResult *result)
{
  bool is_v4 = query->type == FZ_DNS_TYPE_A;
  const FzDnsDomain *domain = put_domain (self, query->name);

  if (domain == NULL) {
    result->answer.code = FZ_DNS_SERVFAIL;
    result->is_exhausted = true;
    return;
  }
  result->domain = domain;
  if (!has_family (self, domain, is_v4 ? FZ_IP_V4 : FZ_IP_V6))
    return;
  result->answer.ips = is_v4 ? domain->ips : domain->ips + domain->n_ipv4;
  result->answer.n_ips = is_v4 ? domain->n_ipv4 : domain->n_ips - domain->n_ipv4;
}

static void
answer_reverse (FzDnsStub *self, const FzDnsQuery *query, FzDnsStubResult *result)
{
  const FzDnsDomain *domain = NULL;
  FzIp ip;

  if (fz_dns_parse_reverse (query->name, &ip))
    domain = fz_dns_stub_find_by_ip (self, &ip);
  if (domain == NULL)
    result->kind = FZ_DNS_STUB_RECURSE;
  else
    result->answer.target = domain->name;
}

/* Of a name that belongs to a resource. */
static void
answer_matched (FzDnsStub *self, const FzDnsQuery *query, FzDnsStubResult *result)
{
  switch (query->type) {
  case FZ_DNS_TYPE_A:
  case FZ_DNS_TYPE_AAAA:
    answer_addresses (self, query, result);
    return;
  case FZ_DNS_TYPE_HTTPS:
    return; /* nothing: the application has to ask for addresses */
  case FZ_DNS_TYPE_SRV:
  case FZ_DNS_TYPE_TXT:
    result->kind = FZ_DNS_STUB_SITE;
    result->resource_id = g_array_index (self->found, const Pattern *, 0)->id;
    return;
  default:
    result->kind = FZ_DNS_STUB_RECURSE;
  }
}

void
fz_dns_stub_handle (FzDnsStub *self, const FzDnsQuery *query, FzDnsStubResult *result)
{
  *result = (FzDnsStubResult){ .kind = FZ_DNS_STUB_ANSWER, .answer.ttl_s = FZ_DNS_STUB_TTL_S };
  if (query->class_ != FZ_DNS_CLASS_IN)
    result->kind = FZ_DNS_STUB_RECURSE;
  else if (strcmp (query->name, CANARY) == 0)
    result->answer.code = FZ_DNS_NXDOMAIN;
  else if (query->type == FZ_DNS_TYPE_PTR)
    answer_reverse (self, query, result);
  else if (find_patterns (self, query->name) > 0)
    answer_matched (self, query, result);
  else
    result->kind = FZ_DNS_STUB_RECURSE;
}

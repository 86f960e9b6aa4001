/* fz-dns-sentinels.c: see the header */

#include "src/engine/fz-dns-sentinels.h"

#include "src/engine/fz-address-plan.h"
#include "src/engine/fz-limits.h"

#include <string.h>

#define OFFSETS 256u /* of a sentinel in its range; IPv4 does not use the first and the last */

struct FzDnsSentinels {
  bool has_interface; /* before that there is nothing to map for */
  GArray *system;     /* of FzIp */
  GArray *do53;       /* of FzIp */
  GPtrArray *doh;     /* of char *, owned */
  GArray *sentinels;  /* of FzSentinel; their URLs are owned */
};

bool
fz_dns_is_sentinel (const FzIp *ip)
{
  return fz_ip_network_contains (fz_address_plan_get (FZ_RANGE_SENTINEL_V4), ip) ||
         fz_ip_network_contains (fz_address_plan_get (FZ_RANGE_SENTINEL_V6), ip);
}

static void
clear_sentinel (void *data)
{
  g_free ((char *) ((FzSentinel *) data)->doh_url);
}

static GArray *
new_sentinels (void)
{
  GArray *sentinels = g_array_new (FALSE, TRUE, sizeof (FzSentinel));

  g_array_set_clear_func (sentinels, clear_sentinel);
  return sentinels;
}

FzDnsSentinels *
fz_dns_sentinels_new (void)
{
  FzDnsSentinels *self = g_new0 (FzDnsSentinels, 1);

  self->system = g_array_new (FALSE, FALSE, sizeof (FzIp));
  self->do53 = g_array_new (FALSE, FALSE, sizeof (FzIp));
  self->doh = g_ptr_array_new_with_free_func (g_free);
  self->sentinels = new_sentinels ();
  return self;
}

void
fz_dns_sentinels_free (FzDnsSentinels *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->system);
  g_array_unref (self->do53);
  g_ptr_array_unref (self->doh);
  g_array_unref (self->sentinels);
  g_free (self);
}

/* -- lists -- */

static bool
has_ip (const GArray *ips, const FzIp *ip)
{
  for (guint i = 0; i < ips->len; i++)
    if (fz_ip_equal (&g_array_index (ips, FzIp, i), ip))
      return true;
  return false;
}

/* Sentinels and repetitions are left out, and what is no address of a host. */
static void
set_ips (GArray *into, const FzIp *ips, size_t n_ips, guint max)
{
  g_array_set_size (into, 0);
  for (size_t i = 0; i < n_ips && into->len < max; i++)
    if (fz_ip_size (&ips[i]) > 0 && !fz_ip_is_unspecified (&ips[i]) &&
        !fz_ip_is_multicast (&ips[i]) && !fz_dns_is_sentinel (&ips[i]) && !has_ip (into, &ips[i]))
      g_array_append_val (into, ips[i]);
}

static void
set_urls (GPtrArray *into, const char *const *urls, size_t n_urls)
{
  g_ptr_array_set_size (into, 0);
  for (size_t i = 0; i < n_urls; i++)
    if (!g_ptr_array_find_with_equal_func (into, urls[i], g_str_equal, NULL))
      g_ptr_array_add (into, g_strdup (urls[i]));
}

/* -- the mapping -- */

static bool
is_upstream_of (const FzSentinel *sentinel, const FzIp *ip, const char *url)
{
  return url != NULL ? g_strcmp0 (sentinel->doh_url, url) == 0
                     : fz_ip_equal (&sentinel->upstream, ip);
}

static bool
has_upstream (const GArray *sentinels, const FzIp *ip, const char *url)
{
  for (guint i = 0; i < sentinels->len; i++)
    if (is_upstream_of (&g_array_index (sentinels, FzSentinel, i), ip, url))
      return true;
  return false;
}

static bool
has_sentinel (const GArray *sentinels, const FzIp *ip)
{
  for (guint i = 0; i < sentinels->len; i++)
    if (fz_ip_equal (&g_array_index (sentinels, FzSentinel, i).ip, ip))
      return true;
  return false;
}

/* The first address of its family that neither the old mapping nor the new one has. */
static bool
take_sentinel (const GArray *before, const GArray *now, FzIpFamily family, FzIp *out)
{
  bool is_v4 = family == FZ_IP_V4;
  FzIp ip = fz_address_plan_get (is_v4 ? FZ_RANGE_SENTINEL_V4 : FZ_RANGE_SENTINEL_V6)->ip;

  for (unsigned i = is_v4; i < OFFSETS - is_v4; i++) {
    ip.bytes[fz_ip_size (&ip) - 1] = (uint8_t) i;
    if (!has_sentinel (before, &ip) && !has_sentinel (now, &ip)) {
      *out = ip;
      return true;
    }
  }
  return false;
}

/* Surplus servers are left out; with at most FZ_UPSTREAM_DNS_MAX there are none. */
static void
add_sentinel (const GArray *before, GArray *now, const FzIp *upstream, const char *url)
{
  FzSentinel sentinel = { 0 };

  if (!take_sentinel (before, now, url == NULL ? upstream->family : FZ_IP_V4, &sentinel.ip))
    return;
  if (url == NULL)
    sentinel.upstream = *upstream;
  sentinel.doh_url = g_strdup (url);
  g_array_append_val (now, sentinel);
}

static bool
is_same_set (const FzDnsSentinels *self, const GArray *ips, const GPtrArray *urls)
{
  guint n = ips != NULL ? ips->len : urls->len;

  if (n != self->sentinels->len)
    return false;
  for (guint i = 0; i < n; i++)
    if (!has_upstream (self->sentinels,
                       ips != NULL ? &g_array_index (ips, FzIp, i) : NULL,
                       ips != NULL ? NULL : urls->pdata[i]))
      return false;
  return true;
}

/* A mere other order changes nothing (Q5). */
static bool
update (FzDnsSentinels *self)
{
  const GArray *ips = self->do53->len > 0 ? self->do53 : self->doh->len > 0 ? NULL : self->system;
  GArray *sentinels;

  if (!self->has_interface || is_same_set (self, ips, self->doh))
    return false;
  sentinels = new_sentinels ();
  for (guint i = 0; ips != NULL && i < ips->len; i++)
    add_sentinel (self->sentinels, sentinels, &g_array_index (ips, FzIp, i), NULL);
  for (guint i = 0; ips == NULL && i < self->doh->len; i++)
    add_sentinel (self->sentinels, sentinels, NULL, self->doh->pdata[i]);
  g_array_unref (self->sentinels);
  self->sentinels = sentinels;
  return true;
}

bool
fz_dns_sentinels_set_system (FzDnsSentinels *self, const FzIp *ips, size_t n_ips)
{
  set_ips (self->system, ips, n_ips, FZ_SYSTEM_RESOLVERS_MAX);
  return update (self);
}

bool
fz_dns_sentinels_set_interface (FzDnsSentinels *self, const FzInterface *interface)
{
  set_ips (self->do53, interface->upstream_do53, interface->n_upstream_do53, FZ_UPSTREAM_DNS_MAX);
  set_urls (self->doh, interface->upstream_doh, interface->n_upstream_doh);
  self->has_interface = true;
  return update (self);
}

/* -- questions -- */

size_t
fz_dns_sentinels_get (const FzDnsSentinels *self, const FzSentinel **out)
{
  *out = (const FzSentinel *) self->sentinels->data;
  return self->sentinels->len;
}

const FzSentinel *
fz_dns_sentinels_find (const FzDnsSentinels *self, const FzIp *ip)
{
  for (guint i = 0; i < self->sentinels->len; i++)
    if (fz_ip_equal (&g_array_index (self->sentinels, FzSentinel, i).ip, ip))
      return &g_array_index (self->sentinels, FzSentinel, i);
  return NULL;
}

bool
fz_dns_sentinels_are_custom (const FzDnsSentinels *self)
{
  return self->do53->len > 0 || self->doh->len > 0;
}

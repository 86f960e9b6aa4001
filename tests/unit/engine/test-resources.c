/* test-resources.c: the client's list (tunnel.md §12.1 R1 to R12). */

#include "src/engine/fz-limits.h"
#include "src/engine/fz-resource.h"
#include "src/engine/fz-resources.h"

static const FzSite berlin = { { { 1 } }, "berlin" };
static const FzSite paris = { { { 2 } }, "paris" };
static const FzFilter web = { FZ_FILTER_TCP, 80, 80 };

static FzResource
cidr (uint8_t id, const char *name, const char *network, const FzSite *sites, size_t n_sites)
{
  FzResource resource = {
    .kind = FZ_RESOURCE_CIDR,
    .id = { { id } },
    .name = name,
    .sites = sites,
    .n_sites = n_sites,
  };

  g_assert_true (fz_ip_network_parse (network, &resource.network));
  return resource;
}

static void
test_order (void)
{
  g_autoptr (FzResources) resources = fz_resources_new ();
  FzResource b = cidr (1, "b", "10.0.0.0/8", NULL, 0);
  FzResource a2 = cidr (3, "a", "10.1.0.0/16", NULL, 0);
  FzResource a1 = cidr (2, "a", "10.2.0.0/16", NULL, 0);
  FzResource internet = { .kind = FZ_RESOURCE_INTERNET, .id = { { 9 } }, .name = "z" };
  const FzResourceView *view;

  fz_resources_put (resources, &b);
  fz_resources_put (resources, &a2);
  fz_resources_put (resources, &a1);
  fz_resources_put (resources, &internet);
  fz_resources_put (resources, &internet); /* twice is once */
  g_assert_cmpuint (fz_resources_get_view (resources, &view), ==, 4);
  g_assert_cmpuint (view[0].resource->id.bytes[0], ==, 9);
  g_assert_cmpuint (view[1].resource->id.bytes[0], ==, 2);
  g_assert_cmpuint (view[2].resource->id.bytes[0], ==, 3);
  g_assert_cmpuint (view[3].resource->id.bytes[0], ==, 1);

  g_assert_true (fz_resources_remove (resources, &a2.id));
  g_assert_false (fz_resources_remove (resources, &a2.id));
  g_assert_cmpuint (fz_resources_get_view (resources, &view), ==, 3);
  g_assert_null (fz_resources_find (resources, &a2.id));
}

static void
test_status (void)
{
  g_autoptr (FzResources) resources = fz_resources_new ();
  const FzSite both[] = { berlin, paris };
  FzResource single = cidr (1, "a", "10.0.0.0/8", &berlin, 1);
  FzResource multi = cidr (2, "b", "10.1.0.0/16", both, 2);
  FzResource nowhere = cidr (3, "c", "10.2.0.0/16", NULL, 0);
  FzInstant now = 7 * FZ_S;

  g_assert_cmpint (fz_resources_get_status (resources, &nowhere), ==, FZ_RESOURCE_STATUS_UNKNOWN);
  fz_resources_set_site_status (resources, &berlin.id, FZ_RESOURCE_STATUS_ONLINE, now);
  g_assert_cmpint (fz_resources_get_status (resources, &single), ==, FZ_RESOURCE_STATUS_ONLINE);
  g_assert_cmpint (fz_resources_get_status (resources, &multi), ==, FZ_RESOURCE_STATUS_ONLINE);
  g_assert_cmpuint (fz_resources_next_timeout (resources), ==, FZ_INSTANT_NEVER);

  fz_resources_set_site_status (resources, &berlin.id, FZ_RESOURCE_STATUS_OFFLINE, now);
  g_assert_cmpint (fz_resources_get_status (resources, &single), ==, FZ_RESOURCE_STATUS_OFFLINE);
  g_assert_cmpint (fz_resources_get_status (resources, &multi), ==, FZ_RESOURCE_STATUS_UNKNOWN);
  fz_resources_set_site_status (resources, &paris.id, FZ_RESOURCE_STATUS_OFFLINE, now + FZ_S);
  g_assert_cmpint (fz_resources_get_status (resources, &multi), ==, FZ_RESOURCE_STATUS_OFFLINE);

  /* five minutes later nobody knows; the wake-up is announced */
  g_assert_cmpuint (fz_resources_next_timeout (resources), ==, now + 300 * FZ_S);
  fz_resources_handle_timeout (resources, now + 300 * FZ_S - 1);
  g_assert_cmpint (fz_resources_get_status (resources, &single), ==, FZ_RESOURCE_STATUS_OFFLINE);
  fz_resources_handle_timeout (resources, now + 300 * FZ_S);
  g_assert_cmpint (fz_resources_get_status (resources, &single), ==, FZ_RESOURCE_STATUS_UNKNOWN);
  g_assert_cmpuint (fz_resources_next_timeout (resources), ==, now + 301 * FZ_S);
}

static void
test_changed (void)
{
  g_autoptr (FzResources) resources = fz_resources_new ();
  FzResource resource = cidr (1, "a", "10.0.0.0/8", &berlin, 1);
  const FzResourceView *view;

  g_assert_false (fz_resources_poll_changed (resources));
  fz_resources_put (resources, &resource);
  fz_resources_get_view (resources, &view); /* looking at it does not hide the change */
  g_assert_true (fz_resources_poll_changed (resources));
  g_assert_false (fz_resources_poll_changed (resources));

  fz_resources_put (resources, &resource);
  g_assert_false (fz_resources_poll_changed (resources));
  fz_resources_set_site_status (resources, &paris.id, FZ_RESOURCE_STATUS_ONLINE, 0);
  g_assert_false (fz_resources_poll_changed (resources));
  fz_resources_set_site_status (resources, &berlin.id, FZ_RESOURCE_STATUS_ONLINE, 0);
  fz_resources_set_site_status (resources, &berlin.id, FZ_RESOURCE_STATUS_UNKNOWN, 0);
  g_assert_false (fz_resources_poll_changed (resources)); /* there and back */
  fz_resources_set_site_status (resources, &berlin.id, FZ_RESOURCE_STATUS_ONLINE, 0);
  g_assert_true (fz_resources_poll_changed (resources));
  resource.description = "";
  fz_resources_put (resources, &resource);
  g_assert_true (fz_resources_poll_changed (resources)); /* an empty text is not none */
}

static void
test_same_access (void)
{
  const FzSite renamed = { berlin.id, "Berlin" };
  const FzSite twice[] = { berlin, berlin };
  FzResource a = cidr (1, "a", "10.0.0.0/8", &berlin, 1);
  FzResource b = cidr (1, "b", "10.0.0.0/8", &renamed, 1);

  g_assert_true (fz_resource_has_same_access (&a, &b));
  b.sites = twice;
  b.n_sites = 2;
  g_assert_true (fz_resource_has_same_access (&a, &b));
  b.sites = &paris;
  b.n_sites = 1;
  g_assert_false (fz_resource_has_same_access (&a, &b));
  b = cidr (1, "a", "10.0.0.0/9", &berlin, 1);
  g_assert_false (fz_resource_has_same_access (&a, &b));
  b = cidr (1, "a", "10.0.0.0/8", &berlin, 1);
  b.filters = &web;
  b.n_filters = 1;
  g_assert_false (fz_resource_has_same_access (&a, &b));
  b = (FzResource){ .kind = FZ_RESOURCE_DNS, .id = a.id, .name = "a", .pattern = "x" };
  g_assert_false (fz_resource_has_same_access (&a, &b));
}

static void
assert_check (const FzResource *resource, int code)
{
  g_autoptr (GError) error = NULL;
  bool is_good = fz_resource_check (resource, &error);

  g_assert_cmpint (is_good, ==, code < 0);
  if (code >= 0)
    g_assert_error (error, FZ_ENGINE_ERROR, code);
}

static void
test_check (void)
{
  g_autofree FzFilter *filters = g_new0 (FzFilter, FZ_FILTERS_MAX + 1);
  g_autofree FzSite *sites = g_new0 (FzSite, FZ_SITES_MAX + 1);
  g_autofree char *name = g_strnfill (FZ_TEXT_MAX + 1, 'x');
  FzResource resource = cidr (1, name, "10.0.0.0/8", sites, FZ_SITES_MAX);

  resource.filters = filters;
  resource.n_filters = FZ_FILTERS_MAX;
  name[FZ_TEXT_MAX] = '\0';
  assert_check (&resource, -1);
  name[FZ_TEXT_MAX] = 'x';
  assert_check (&resource, FZ_ENGINE_ERROR_TOO_MANY);
  name[0] = '\0';
  resource.n_filters++;
  assert_check (&resource, FZ_ENGINE_ERROR_TOO_MANY);
  resource.n_filters = 1;
  resource.n_sites++;
  assert_check (&resource, FZ_ENGINE_ERROR_TOO_MANY);
  resource.n_sites = 0;

  filters[0] = (FzFilter){ FZ_FILTER_UDP, 2, 1 };
  assert_check (&resource, FZ_ENGINE_ERROR_INVALID);
  filters[0] = (FzFilter){ 7, 0, 0 };
  assert_check (&resource, FZ_ENGINE_ERROR_INVALID);
  resource.n_filters = 0;
  resource.network.ip.bytes[3] = 1;
  assert_check (&resource, FZ_ENGINE_ERROR_INVALID); /* host bits */
  resource.network.prefix_length = 33;
  assert_check (&resource, FZ_ENGINE_ERROR_INVALID);
  resource.kind = FZ_RESOURCE_DNS;
  assert_check (&resource, FZ_ENGINE_ERROR_INVALID); /* no pattern */
}

static void
test_interface_copy (void)
{
  const char *const urls[] = { "https://a.example/dns-query" };
  FzInterface interface = {
    .ipv4 = fz_ip_v4 ((const uint8_t[]){ 100, 64, 0, 1 }),
    .ipv6 = { FZ_IP_V6, { 0xfd } },
    .upstream_doh = urls,
    .n_upstream_doh = 1,
    .search_domain = "corp.example",
  };
  g_autoptr (FzInterface) copy = fz_interface_dup (&interface);

  g_assert_true (fz_interface_equal (copy, &interface));
  g_assert_true (fz_interface_check (copy, NULL));
  interface.search_domain = NULL;
  g_assert_false (fz_interface_equal (copy, &interface));
  interface.ipv6.family = FZ_IP_NONE;
  g_assert_false (fz_interface_check (&interface, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/resources/order", test_order);
  g_test_add_func ("/resources/status", test_status);
  g_test_add_func ("/resources/changed", test_changed);
  g_test_add_func ("/resource/same-access", test_same_access);
  g_test_add_func ("/resource/check", test_check);
  g_test_add_func ("/interface/copy", test_interface_copy);
  return g_test_run ();
}

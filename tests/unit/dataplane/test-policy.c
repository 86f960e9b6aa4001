/* test-policy.c: fz-filter.h and fz-policy.h */

#include "packets.h"
#include "src/base/fz-rng.h"
#include "src/dataplane/fz-policy.h"

#include <glib.h>

static const FzFilter web[] = { { FZ_FILTER_TCP, 80, 80 }, { FZ_FILTER_TCP, 443, 450 } };
static const FzFilter dns[] = { { FZ_FILTER_UDP, 53, 53 } };
static const FzFilter ping[] = { { FZ_FILTER_ICMP, 0, 0 } };

static void
test_filters (void)
{
  static const struct {
    const FzFilter *filters;
    size_t n;
    FzProtocolKey key;
    bool admitted;
  } cases[] = {
    { NULL, 0, { FZ_PROTOCOL_TCP, 1 }, true },
    { NULL, 0, { FZ_PROTOCOL_OTHER, 0 }, true },
    { web, 2, { FZ_PROTOCOL_TCP, 79 }, false },
    { web, 2, { FZ_PROTOCOL_TCP, 80 }, true },
    { web, 2, { FZ_PROTOCOL_TCP, 81 }, false },
    { web, 2, { FZ_PROTOCOL_TCP, 443 }, true },
    { web, 2, { FZ_PROTOCOL_TCP, 450 }, true },
    { web, 2, { FZ_PROTOCOL_TCP, 451 }, false },
    { web, 2, { FZ_PROTOCOL_UDP, 80 }, false },
    { web, 2, { FZ_PROTOCOL_ICMP_ECHO, 80 }, false },
    { web, 2, { FZ_PROTOCOL_OTHER, 80 }, false },
    { dns, 1, { FZ_PROTOCOL_UDP, 53 }, true },
    { dns, 1, { FZ_PROTOCOL_TCP, 53 }, false },
    { ping, 1, { FZ_PROTOCOL_ICMP_ECHO, 4711 }, true },
    { ping, 1, { FZ_PROTOCOL_ICMP_OTHER, 0 }, true },
    { ping, 1, { FZ_PROTOCOL_ICMP_ERROR, 0 }, true },
    { ping, 1, { FZ_PROTOCOL_OTHER, 0 }, false },
    { ping, 1, { FZ_PROTOCOL_TCP, 0 }, false },
  };
  static const FzFilter odd[] = { { 99, 0, 65535 } };
  static const FzFilter full[] = { { FZ_FILTER_TCP, 0, 65535 } };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (
        fz_filters_admit (cases[i].filters, cases[i].n, cases[i].key), ==, cases[i].admitted);
  g_assert_false (fz_filters_admit (odd, 1, (FzProtocolKey){ FZ_PROTOCOL_TCP, 1 }));
  g_assert_true (fz_filters_admit (full, 1, (FzProtocolKey){ FZ_PROTOCOL_TCP, 0 }));
  g_assert_true (fz_filters_admit (full, 1, (FzProtocolKey){ FZ_PROTOCOL_TCP, 65535 }));
}

static void
test_filters_equal (void)
{
  FzFilter swapped[] = { web[1], web[0] };
  FzFilter twice[] = { web[0], web[1], web[0] };
  FzFilter pinged[] = { { FZ_FILTER_ICMP, 7, 9 } }; /* ports mean nothing */

  g_assert_true (fz_filters_equal (web, 2, swapped, 2));
  g_assert_true (fz_filters_equal (web, 2, twice, 3));
  g_assert_false (fz_filters_equal (web, 2, web, 1));
  g_assert_false (fz_filters_equal (web, 1, web, 2));
  g_assert_false (fz_filters_equal (NULL, 0, dns, 1));
  g_assert_true (fz_filters_equal (NULL, 0, NULL, 0));
  g_assert_true (fz_filters_equal (ping, 1, pinged, 1));
}

static FzPolicyEntry
make_entry (const char *network, uint8_t resource, const FzFilter *filters, size_t n_filters)
{
  FzPolicyEntry entry = { .filters = filters, .n_filters = n_filters };

  g_assert_true (fz_ip_network_parse (network, &entry.network));
  entry.resource.bytes[15] = resource;
  return entry;
}

typedef struct {
  const char *why;
  const char *ip;
  FzProtocolKey key;
  FzPolicyAnswer answer;
  uint8_t resource;
} LookupCase;

static void
test_order (void)
{
  const FzPolicyEntry entries[] = {
    make_entry ("10.0.0.0/8", 1, NULL, 0),   make_entry ("10.1.0.0/16", 2, web, 2),
    make_entry ("10.1.2.0/24", 3, dns, 1),   make_entry ("10.1.2.0/24", 4, web, 2),
    make_entry ("10.1.2.0/24", 5, web, 2),   make_entry ("10.1.2.3/32", 6, ping, 1),
    make_entry ("172.16.0.0/12", 7, web, 2), make_entry ("172.16.1.0/24", 8, dns, 1),
    make_entry ("172.16.1.0/24", 9, dns, 1), make_entry ("fd00::/8", 10, NULL, 0),
    make_entry ("fd00:1::/64", 11, web, 2),  make_entry ("fd00:1::1", 12, NULL, 0),
  };
  static const LookupCase cases[] = {
    { "nothing covers it", "192.168.0.1", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_NO_ENTRY, 0 },
    { "the only one", "10.2.0.1", { FZ_PROTOCOL_TCP, 22 }, FZ_POLICY_ADMITTED, 1 },
    { "longer prefix", "10.1.9.9", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_ADMITTED, 2 },
    { "admitting beats longer", "10.1.9.9", { FZ_PROTOCOL_TCP, 22 }, FZ_POLICY_ADMITTED, 1 },
    { "higher resource", "10.1.2.9", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_ADMITTED, 5 },
    { "admitting beats higher", "10.1.2.9", { FZ_PROTOCOL_UDP, 53 }, FZ_POLICY_ADMITTED, 3 },
    { "host route", "10.1.2.3", { FZ_PROTOCOL_ICMP_ECHO, 1 }, FZ_POLICY_ADMITTED, 6 },
    { "past the host route", "10.1.2.3", { FZ_PROTOCOL_TCP, 443 }, FZ_POLICY_ADMITTED, 5 },
    { "all deny: longest", "172.16.1.1", { FZ_PROTOCOL_TCP, 22 }, FZ_POLICY_DENIED, 9 },
    { "shorter admits", "172.16.1.1", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_ADMITTED, 7 },
    { "end of a /12", "172.31.255.255", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_ADMITTED, 7 },
    { "past a /12", "172.32.0.0", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_NO_ENTRY, 0 },
    { "IPv6", "fd00:2::1", { FZ_PROTOCOL_OTHER, 0 }, FZ_POLICY_ADMITTED, 10 },
    { "IPv6, longer", "fd00:1::2", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_ADMITTED, 11 },
    { "IPv6, host", "fd00:1::1", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_ADMITTED, 12 },
    { "IPv6, none", "fe80::1", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_NO_ENTRY, 0 },
    { "IPv6 address of IPv4's bytes", "a01:203::", { FZ_PROTOCOL_TCP, 80 }, FZ_POLICY_NO_ENTRY, 0 },
  };
  FzPolicy *policy = fz_policy_new (entries, G_N_ELEMENTS (entries));

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    FzIp ip = test_ip (cases[i].ip);
    const FzPolicyEntry *entry = NULL;

    g_test_message ("%s", cases[i].why);
    g_assert_cmpint (fz_policy_lookup (policy, &ip, cases[i].key, &entry), ==, cases[i].answer);
    if (cases[i].answer == FZ_POLICY_NO_ENTRY)
      g_assert_null (entry);
    else
      g_assert_cmpuint (entry->resource.bytes[15], ==, cases[i].resource);
    g_assert_cmpint (fz_policy_lookup (policy, &ip, cases[i].key, NULL), ==, cases[i].answer);
  }
  fz_policy_free (policy);
}

static void
test_default_routes (void)
{
  const FzPolicyEntry entries[] = { make_entry ("0.0.0.0/0", 1, NULL, 0),
                                    make_entry ("::/0", 2, NULL, 0) };
  FzPolicy *policy = fz_policy_new (entries, 2);
  const FzPolicyEntry *entry;
  FzIp v4 = test_ip ("8.8.8.8"), v6 = test_ip ("2001:db8::1");

  g_assert_cmpint (
      fz_policy_lookup (policy, &v4, (FzProtocolKey){ 0 }, &entry), ==, FZ_POLICY_ADMITTED);
  g_assert_cmpuint (entry->resource.bytes[15], ==, 1);
  g_assert_cmpint (
      fz_policy_lookup (policy, &v6, (FzProtocolKey){ 0 }, &entry), ==, FZ_POLICY_ADMITTED);
  g_assert_cmpuint (entry->resource.bytes[15], ==, 2);
  fz_policy_free (policy);
}

static void
test_empty (void)
{
  FzPolicy *a = fz_policy_new (NULL, 0), *b = fz_policy_new (NULL, 0);
  FzIp ip = test_ip ("10.0.0.1");

  g_assert_cmpint (fz_policy_lookup (a, &ip, (FzProtocolKey){ 0 }, NULL), ==, FZ_POLICY_NO_ENTRY);
  g_assert_cmpuint (fz_policy_get_serial (a), !=, 0);
  g_assert_cmpuint (fz_policy_get_serial (a), !=, fz_policy_get_serial (b));
  fz_policy_free (a);
  fz_policy_free (b);
  fz_policy_free (NULL);
}

/* -- model: thousands of entries against a plain scan with the rule of tunnel.md §3.2 -- */

static const FzPolicyEntry *
scan (const FzPolicyEntry *entries, size_t n, const FzIp *ip, FzProtocolKey key, bool *admits)
{
  const FzPolicyEntry *best = NULL;

  *admits = false;
  for (size_t i = 0; i < n; i++) {
    bool this_admits = fz_filters_admit (entries[i].filters, entries[i].n_filters, key);
    bool is_better;

    if (!fz_ip_network_contains (&entries[i].network, ip))
      continue;
    if (best == NULL || this_admits != *admits)
      is_better = best == NULL || this_admits;
    else if (entries[i].network.prefix_length != best->network.prefix_length)
      is_better = entries[i].network.prefix_length > best->network.prefix_length;
    else
      is_better = fz_uuid_compare (&entries[i].resource, &best->resource) > 0;
    if (is_better) {
      best = &entries[i];
      *admits = this_admits;
    }
  }
  return best;
}

/* The Internet resource: behind everything else, and kept out of holes. */
static void
test_fallback (void)
{
  FzPolicyEntry entries[] = {
    { .kind = FZ_POLICY_ENTRY_FALLBACK, .network = { { .family = FZ_IP_V4 }, 0 } },
    { .kind = FZ_POLICY_ENTRY_HOLE, .network = { { FZ_IP_V4, { 10 } }, 8 } },
    { .network = { { FZ_IP_V4, { 10, 1 } }, 16 } },
    { .network = { { FZ_IP_V4, { 9 } }, 8 }, .filters = dns, .n_filters = 1 },
  };
  static const struct {
    FzIp ip;
    FzPolicyAnswer answer;
    unsigned entry;
    const char *why;
  } rows[] = {
    { { FZ_IP_V4, { 1, 1, 1, 1 } }, FZ_POLICY_ADMITTED, 0, "nothing else covers it" },
    { { FZ_IP_V4, { 10, 2, 0, 1 } }, FZ_POLICY_NO_ENTRY, 0, "in the hole" },
    { { FZ_IP_V4, { 10, 1, 0, 1 } }, FZ_POLICY_ADMITTED, 2, "an entry inside the hole" },
    { { FZ_IP_V4, { 9, 1, 0, 1 } }, FZ_POLICY_DENIED, 3, "a filter is no gap to slip through" },
  };
  FzPolicy *policy;

  for (size_t i = 0; i < G_N_ELEMENTS (entries); i++)
    entries[i].resource.bytes[0] = (uint8_t) (1 + i);
  policy = fz_policy_new (entries, G_N_ELEMENTS (entries));
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const FzPolicyEntry *found = NULL;
    FzPolicyAnswer answer =
        fz_policy_lookup (policy, &rows[i].ip, (FzProtocolKey){ FZ_PROTOCOL_TCP, 80 }, &found);

    g_test_message ("%s", rows[i].why);
    g_assert_cmpint (answer, ==, rows[i].answer);
    if (answer == FZ_POLICY_NO_ENTRY)
      g_assert_null (found);
    else
      g_assert_cmpuint (found->resource.bytes[0], ==, 1 + rows[i].entry);
  }
  fz_policy_free (policy);
}

static void
test_model (void)
{
  enum { N = 4000 };
  g_autofree FzPolicyEntry *entries = g_new0 (FzPolicyEntry, N);
  FzSeededRng seeded;
  FzPolicy *policy;
  FzRng rng;

  fz_seeded_rng_init (&seeded, 77);
  rng = fz_seeded_rng (&seeded);
  for (size_t i = 0; i < N; i++) {
    static const struct {
      const FzFilter *filters;
      size_t n;
    } lists[] = { { NULL, 0 }, { web, 2 }, { dns, 1 }, { ping, 1 } };
    bool is_v6 = fz_rng_below (&rng, 2);
    size_t list = fz_rng_below (&rng, 4);

    entries[i].network.ip.family = is_v6 ? FZ_IP_V6 : FZ_IP_V4;
    entries[i].network.ip.bytes[0] = 10;
    for (size_t j = 1; j < (is_v6 ? 16u : 4u); j++)
      entries[i].network.ip.bytes[j] = (uint8_t) fz_rng_below (&rng, 4);
    entries[i].network.prefix_length = (uint8_t) fz_rng_below (&rng, is_v6 ? 129 : 33);
    entries[i].network.ip = fz_ip_masked (&entries[i].network.ip, entries[i].network.prefix_length);
    fz_put_u32be (entries[i].resource.bytes, (uint32_t) i);
    entries[i].filters = lists[list].filters;
    entries[i].n_filters = lists[list].n;
  }
  policy = fz_policy_new (entries, N);
  for (size_t i = 0; i < 3000; i++) {
    bool is_v6 = fz_rng_below (&rng, 2);
    FzIp ip = { .family = is_v6 ? FZ_IP_V6 : FZ_IP_V4, .bytes = { 10 } };
    FzProtocolKey key = { (uint8_t) fz_rng_below (&rng, 6), fz_rng_below (&rng, 2) ? 80 : 53 };
    const FzPolicyEntry *found = NULL, *expected;
    FzPolicyAnswer answer;
    bool admits;

    for (size_t j = 1; j < (is_v6 ? 16u : 4u); j++)
      ip.bytes[j] = (uint8_t) fz_rng_below (&rng, 4);
    expected = scan (entries, N, &ip, key, &admits);
    answer = fz_policy_lookup (policy, &ip, key, &found);
    if (expected == NULL) {
      g_assert_cmpint (answer, ==, FZ_POLICY_NO_ENTRY);
      continue;
    }
    g_assert_cmpint (answer, ==, admits ? FZ_POLICY_ADMITTED : FZ_POLICY_DENIED);
    g_assert_true (fz_uuid_equal (&found->resource, &expected->resource));
  }
  fz_policy_free (policy);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/filter/admit", test_filters);
  g_test_add_func ("/filter/equal", test_filters_equal);
  g_test_add_func ("/policy/order", test_order);
  g_test_add_func ("/policy/default-routes", test_default_routes);
  g_test_add_func ("/policy/empty", test_empty);
  g_test_add_func ("/policy/fallback", test_fallback);
  g_test_add_func ("/policy/model", test_model);
  return g_test_run ();
}

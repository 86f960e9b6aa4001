/* test-grants.c: a gateway's records of who may reach what (tunnel.md §6.2). */

#include "src/engine/fz-grants.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-uuid-table.h"

static const FzUuid alice = { { 0xa1 } };
static const FzUuid bob = { { 0xb0 } };
static const FzIp ip4_a = { FZ_IP_V4, { 100, 64, 0, 1 } };
static const FzIp ip4_b = { FZ_IP_V4, { 100, 64, 0, 2 } };
static const FzIp ip6_a = { FZ_IP_V6, { 0xfd, 1 } };
static const FzIp ip6_b = { FZ_IP_V6, { 0xfd, 2 } };

static FzResource
cidr (uint8_t id, uint8_t second, const FzFilter *filters, size_t n_filters)
{
  return (FzResource){
    .kind = FZ_RESOURCE_CIDR,
    .id = { { id } },
    .name = "x",
    .network = { { FZ_IP_V4, { 10, second } }, 16 },
    .filters = filters,
    .n_filters = n_filters,
  };
}

static FzPolicyAnswer
ask (const FzGrantee *grantee, uint8_t second, uint16_t port)
{
  FzPolicy *policy = fz_grants_make_permissions (grantee);
  FzIp ip = { FZ_IP_V4, { 10, second, 0, 1 } };
  FzPolicyAnswer answer =
      fz_policy_lookup (policy, &ip, (FzProtocolKey){ FZ_PROTOCOL_TCP, port }, NULL);

  fz_policy_free (policy);
  return answer;
}

static void
test_union (void)
{
  static const FzFilter web = { FZ_FILTER_TCP, 80, 80 };
  static const FzFilter tls = { FZ_FILTER_TCP, 443, 443 };
  FzGrants *grants = fz_grants_new ();
  FzGrantee *grantee = fz_grants_put (grants, &alice, &ip4_a, &ip6_a);
  FzResource one = cidr (1, 1, &web, 1);
  FzResource two = cidr (2, 1, &tls, 1);

  g_assert_true (fz_grants_grant (grants, grantee, &one, 10 * FZ_S));
  g_assert_true (fz_grants_grant (grants, grantee, &two, 20 * FZ_S));
  g_assert_cmpint (ask (grantee, 1, 80), ==, FZ_POLICY_ADMITTED);
  g_assert_cmpint (ask (grantee, 1, 443), ==, FZ_POLICY_ADMITTED);
  g_assert_cmpint (ask (grantee, 1, 22), ==, FZ_POLICY_DENIED);
  g_assert_cmpint (ask (grantee, 2, 80), ==, FZ_POLICY_NO_ENTRY);

  /* each one's ports stop by themselves (G1) */
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, 10 * FZ_S);
  g_assert_null (fz_grants_pop_expired (grants, 10 * FZ_S - 1));
  g_assert_true (fz_grants_pop_expired (grants, 10 * FZ_S) == grantee);
  g_assert_cmpint (ask (grantee, 1, 80), ==, FZ_POLICY_DENIED);
  g_assert_cmpint (ask (grantee, 1, 443), ==, FZ_POLICY_ADMITTED);
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, 20 * FZ_S);

  /* a grant in the past is gone at the next tick (G2) */
  g_assert_true (fz_grants_grant (grants, grantee, &one, 5 * FZ_S));
  g_assert_true (fz_grants_pop_expired (grants, 11 * FZ_S) == grantee);
  g_assert_null (fz_grants_find_grant (grantee, &one.id));
  fz_grants_free (grants);
}

static void
test_regrant (void)
{
  static const FzFilter web = { FZ_FILTER_TCP, 80, 80 };
  FzGrants *grants = fz_grants_new ();
  FzGrantee *grantee = fz_grants_put (grants, &alice, &ip4_a, &ip6_a);
  FzResource first = cidr (1, 1, NULL, 0);
  FzResource moved = cidr (1, 2, &web, 1);
  FzResource other_kind = { .kind = FZ_RESOURCE_DNS, .id = first.id, .name = "x", .pattern = "y" };

  fz_grants_grant (grants, grantee, &first, FZ_INSTANT_NEVER);
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, FZ_INSTANT_NEVER);
  fz_grants_grant (grants, grantee, &moved, 3 * FZ_S);
  g_assert_cmpint (ask (grantee, 1, 80), ==, FZ_POLICY_ADMITTED); /* filters follow … */
  g_assert_cmpint (ask (grantee, 1, 81), ==, FZ_POLICY_DENIED);
  g_assert_cmpint (ask (grantee, 2, 80), ==, FZ_POLICY_NO_ENTRY); /* … the address does not */
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, 3 * FZ_S);

  g_assert_false (fz_grants_update (grantee, &other_kind));
  g_assert_true (fz_grants_update (grantee, &first));
  g_assert_cmpint (ask (grantee, 1, 81), ==, FZ_POLICY_ADMITTED);
  g_assert_true (fz_grants_set_expiry (grants, grantee, &first.id, 9 * FZ_S));
  g_assert_false (fz_grants_set_expiry (grants, grantee, &alice, 1));
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, 9 * FZ_S);
  g_assert_true (fz_grants_revoke (grants, grantee, &first.id));
  g_assert_false (fz_grants_revoke (grants, grantee, &first.id));
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, FZ_INSTANT_NEVER);
  fz_grants_free (grants);
}

static void
test_addresses (void)
{
  FzGrants *grants = fz_grants_new ();
  FzResource resource = cidr (1, 1, NULL, 0);
  FzGrantee *grantee = fz_grants_put (grants, &alice, &ip4_a, &ip6_a);

  fz_grants_grant (grants, grantee, &resource, 5);
  g_assert_true (fz_grants_put (grants, &alice, &ip4_a, &ip6_a) == grantee);
  g_assert_nonnull (fz_grants_find_grant (grantee, &resource.id));

  /* an address is whose claimed it last */
  fz_grants_put (grants, &bob, &ip4_a, &ip6_b);
  g_assert_true (fz_grants_find_by_ip (grants, &ip4_a) == fz_grants_find (grants, &bob));
  g_assert_cmpuint (fz_grants_find (grants, &alice)->ipv4.family, ==, FZ_IP_NONE);
  g_assert_true (fz_grants_find_by_ip (grants, &ip6_a) == fz_grants_find (grants, &alice));

  /* another address: a fresh start, and the old one resolves no more */
  grantee = fz_grants_put (grants, &bob, &ip4_b, &ip6_b);
  g_assert_null (fz_grants_find_by_ip (grants, &ip4_a));
  g_assert_true (fz_grants_find (grants, &bob) == grantee);
  grantee = fz_grants_put (grants, &alice, &ip4_a, &ip6_a);
  g_assert_null (fz_grants_find_grant (grantee, &resource.id));
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, FZ_INSTANT_NEVER);
  fz_grants_remove (grants, &alice);
  fz_grants_remove (grants, &alice);
  g_assert_cmpuint (fz_grants_get_n_grantees (grants), ==, 1);
  fz_grants_free (grants);
}

static void
test_retain (void)
{
  FzGrants *grants = fz_grants_new ();
  g_autoptr (GHashTable) keep = fz_uuid_table_new (NULL);
  FzResource one = cidr (1, 1, NULL, 0);
  FzResource two = cidr (2, 2, NULL, 0);
  FzGrantee *grantee = fz_grants_put (grants, &alice, &ip4_a, &ip6_a);

  fz_grants_grant (grants, grantee, &one, 5);
  fz_grants_grant (grants, grantee, &two, 9);
  g_hash_table_add (keep, &two.id);
  g_assert_true (fz_grants_retain (grants, grantee, keep));
  g_assert_false (fz_grants_retain (grants, grantee, keep));
  g_assert_null (fz_grants_find_grant (grantee, &one.id));
  g_assert_cmpuint (fz_grants_next_timeout (grants), ==, 9);
  g_assert_true (fz_grants_retain (grants, grantee, NULL));
  g_assert_cmpuint (g_hash_table_size (grantee->grants), ==, 0);
  fz_grants_free (grants);
}

static void
test_limit (void)
{
  FzGrants *grants = fz_grants_new ();
  FzGrantee *grantee = fz_grants_put (grants, &alice, &ip4_a, &ip6_a);
  FzResource resource = { .kind = FZ_RESOURCE_INTERNET, .name = "x" };

  for (uint32_t i = 0; i <= FZ_RESOURCES_MAX; i++) {
    memcpy (resource.id.bytes, &i, sizeof i);
    g_assert_cmpint (
        fz_grants_grant (grants, grantee, &resource, FZ_INSTANT_NEVER), ==, i < FZ_RESOURCES_MAX);
  }
  memset (resource.id.bytes, 0, sizeof resource.id.bytes); /* one that is there may be renewed */
  g_assert_true (fz_grants_grant (grants, grantee, &resource, 1));
  fz_grants_free (grants);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/grants/union-and-expiry", test_union);
  g_test_add_func ("/grants/regrant", test_regrant);
  g_test_add_func ("/grants/addresses", test_addresses);
  g_test_add_func ("/grants/retain", test_retain);
  g_test_add_func ("/grants/limit", test_limit);
  return g_test_run ();
}

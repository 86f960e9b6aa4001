/* test-dns-stub.c: fz-dns-stub.h (tunnel.md §§4.5, 12.1 D3-D9) */

#include "src/engine/fz-dns-stub.h"
#include "src/engine/fz-limits.h"

#include <string.h>

static FzDnsQuery
query_of (const char *name, uint16_t type)
{
  FzDnsQuery query = { .type = type, .class_ = FZ_DNS_CLASS_IN };

  g_strlcpy (query.name, name, sizeof query.name);
  return query;
}

static FzDnsStubResult
ask (FzDnsStub *stub, const char *name, uint16_t type)
{
  FzDnsQuery query = query_of (name, type);
  FzDnsStubResult result;

  fz_dns_stub_handle (stub, &query, &result);
  return result;
}

static void
add (FzDnsStub *stub, uint8_t id, const char *pattern, FzIpStack stack)
{
  FzResource resource = {
    .kind = FZ_RESOURCE_DNS, .id = { { id } }, .pattern = pattern, .ip_stack = stack
  };

  g_assert_true (fz_dns_stub_add_resource (stub, &resource));
}

static void
test_answers (void)
{
  static const struct {
    const char *name;
    uint16_t type;
    FzDnsStubKind kind;
    FzDnsCode code;
    size_t n_ips;
  } rows[] = {
    { "use-application-dns.net", FZ_DNS_TYPE_A, FZ_DNS_STUB_ANSWER, FZ_DNS_NXDOMAIN, 0 },
    { "use-application-dns.net", FZ_DNS_TYPE_TXT, FZ_DNS_STUB_ANSWER, FZ_DNS_NXDOMAIN, 0 },
    { "web.corp.example", FZ_DNS_TYPE_A, FZ_DNS_STUB_ANSWER, FZ_DNS_NO_ERROR, 4 },
    { "web.corp.example", FZ_DNS_TYPE_AAAA, FZ_DNS_STUB_ANSWER, FZ_DNS_NO_ERROR, 4 },
    { "web.corp.example", FZ_DNS_TYPE_HTTPS, FZ_DNS_STUB_ANSWER, FZ_DNS_NO_ERROR, 0 },
    { "web.corp.example", FZ_DNS_TYPE_SRV, FZ_DNS_STUB_SITE, FZ_DNS_NO_ERROR, 0 },
    { "web.corp.example", FZ_DNS_TYPE_TXT, FZ_DNS_STUB_SITE, FZ_DNS_NO_ERROR, 0 },
    { "web.corp.example", 15, FZ_DNS_STUB_RECURSE, FZ_DNS_NO_ERROR, 0 }, /* MX */
    { "www.example.org", FZ_DNS_TYPE_A, FZ_DNS_STUB_RECURSE, FZ_DNS_NO_ERROR, 0 },
    { "www.example.org", FZ_DNS_TYPE_SRV, FZ_DNS_STUB_RECURSE, FZ_DNS_NO_ERROR, 0 },
    { "v4.example", FZ_DNS_TYPE_A, FZ_DNS_STUB_ANSWER, FZ_DNS_NO_ERROR, 4 },
    { "v4.example", FZ_DNS_TYPE_AAAA, FZ_DNS_STUB_ANSWER, FZ_DNS_NO_ERROR, 0 },
    { "v6.example", FZ_DNS_TYPE_A, FZ_DNS_STUB_ANSWER, FZ_DNS_NO_ERROR, 0 },
    { "v6.example", FZ_DNS_TYPE_AAAA, FZ_DNS_STUB_ANSWER, FZ_DNS_NO_ERROR, 4 },
    { "", FZ_DNS_TYPE_A, FZ_DNS_STUB_RECURSE, FZ_DNS_NO_ERROR, 0 },
    { "9.9.9.9.in-addr.arpa", FZ_DNS_TYPE_PTR, FZ_DNS_STUB_RECURSE, FZ_DNS_NO_ERROR, 0 },
  };
  g_autoptr (FzDnsStub) stub = fz_dns_stub_new ();

  add (stub, 1, "*.corp.example", FZ_IP_STACK_DUAL);
  add (stub, 2, "v4.example", FZ_IP_STACK_IPV4_ONLY);
  add (stub, 3, "v6.example", FZ_IP_STACK_IPV6_ONLY);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    FzDnsStubResult result = ask (stub, rows[i].name, rows[i].type);

    g_test_message ("%s %u", rows[i].name, rows[i].type);
    g_assert_cmpint (result.kind, ==, rows[i].kind);
    g_assert_cmpint (result.answer.code, ==, rows[i].code);
    g_assert_cmpuint (result.answer.n_ips, ==, rows[i].n_ips);
    if (result.kind == FZ_DNS_STUB_ANSWER)
      g_assert_cmpuint (result.answer.ttl_s, ==, 1);
  }
}

/* A name keeps its addresses, whatever becomes of its resources; other classes are not ours. */
static void
test_addresses_stay (void)
{
  g_autoptr (FzDnsStub) stub = fz_dns_stub_new ();
  FzDnsQuery chaos = query_of ("web.corp.example", FZ_DNS_TYPE_A);
  char text[FZ_IP_TEXT_MAX];
  FzDnsStubResult result;
  FzIp first;

  add (stub, 1, "*.corp.example", FZ_IP_STACK_DUAL);
  first = ask (stub, "web.corp.example", FZ_DNS_TYPE_A).answer.ips[0];
  g_assert_cmpstr (fz_ip_format (&first, text), ==, "100.96.0.1");
  result = ask (stub, "web.corp.example", FZ_DNS_TYPE_AAAA);
  g_assert_cmpstr (fz_ip_format (&result.answer.ips[0], text), ==, "fd00:2021:1111:8000::1");
  result = ask (stub, "db.corp.example", FZ_DNS_TYPE_A);
  g_assert_cmpstr (fz_ip_format (&result.answer.ips[0], text), ==, "100.96.0.5");

  fz_dns_stub_remove_resource (stub, &(FzUuid){ { 1 } });
  g_assert_cmpint (ask (stub, "web.corp.example", FZ_DNS_TYPE_A).kind, ==, FZ_DNS_STUB_RECURSE);
  g_assert_nonnull (fz_dns_stub_find_by_ip (stub, &first));
  add (stub, 1, "web.corp.example", FZ_IP_STACK_DUAL);
  g_assert_true (
      fz_ip_equal (&first, &ask (stub, "web.corp.example", FZ_DNS_TYPE_A).answer.ips[0]));

  result = ask (stub, "1.0.96.100.in-addr.arpa", FZ_DNS_TYPE_PTR);
  g_assert_cmpstr (result.answer.target, ==, "web.corp.example");
  chaos.class_ = 3;
  fz_dns_stub_handle (stub, &chaos, &result);
  g_assert_cmpint (result.kind, ==, FZ_DNS_STUB_RECURSE);
}

static void
test_matches (void)
{
  static const uint8_t order[] = { 2, 4, 3, 1 };
  g_autoptr (FzDnsStub) stub = fz_dns_stub_new ();
  const FzDnsDomain *domain;
  const FzDnsMatch *matches;
  size_t n;

  add (stub, 1, "**.example", FZ_IP_STACK_DUAL);
  add (stub, 2, "web.corp.example", FZ_IP_STACK_IPV4_ONLY);
  add (stub, 3, "*.corp.example", FZ_IP_STACK_DUAL);
  add (stub, 4, "*.corp.example", FZ_IP_STACK_DUAL);
  domain = ask (stub, "web.corp.example", FZ_DNS_TYPE_A).domain;
  matches = fz_dns_stub_get_matches (stub, domain, &n);
  g_assert_cmpuint (n, ==, 4);
  for (size_t i = 0; i < n; i++)
    g_assert_cmpuint (matches[i].resource_id.bytes[0], ==, order[i]);
  g_assert_cmpuint (
      ask (stub, "web.corp.example", FZ_DNS_TYPE_SRV).resource_id.bytes[0], ==, 2); /* D3 */

  fz_dns_stub_remove_resource (stub, &(FzUuid){ { 2 } });
  matches = fz_dns_stub_get_matches (stub, domain, &n);
  g_assert_cmpuint (n, ==, 3);
  g_assert_false (fz_dns_stub_add_resource (
      stub,
      &(FzResource){
          .kind = FZ_RESOURCE_DNS, .id = { { 4 } }, .pattern = "a**" })); /* no longer a pattern */
  fz_dns_stub_get_matches (stub, domain, &n);
  g_assert_cmpuint (n, ==, 2);
}

static void
test_exhaustion (void)
{
  FzProxyPool pool = { .next_v4 = (1u << 21) - 4, .next_v6 = (1u << 21) - 3 };
  char text[FZ_IP_TEXT_MAX];
  unsigned n = 0;
  FzIp ip;

  while (fz_proxy_pool_take (&pool, FZ_IP_V4, &ip))
    n++;
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpstr (fz_ip_format (&ip, text), ==, "100.127.255.255");
  g_assert_false (fz_proxy_pool_take (&pool, FZ_IP_V4, &ip));
  while (fz_proxy_pool_take (&pool, FZ_IP_V6, &ip))
    n++;
  g_assert_cmpuint (n, ==, 5);
  g_assert_cmpstr (fz_ip_format (&ip, text), ==, "fd00:2021:1111:8000::1f:ffff");

  /* sentinels are skipped: 100.100.111.0/24 is 4 * 65536 + 111 * 256 into the range */
  pool.next_v4 = 4 * 65536 + 111 * 256 - 2;
  fz_proxy_pool_take (&pool, FZ_IP_V4, &ip);
  g_assert_cmpstr (fz_ip_format (&ip, text), ==, "100.100.110.255");
  fz_proxy_pool_take (&pool, FZ_IP_V4, &ip);
  g_assert_cmpstr (fz_ip_format (&ip, text), ==, "100.100.112.0");
}

static void
test_too_many_names (void)
{
  g_autoptr (FzDnsStub) stub = fz_dns_stub_new ();
  char name[64];

  add (stub, 1, "**", FZ_IP_STACK_DUAL);
  for (unsigned i = 0; i < FZ_DNS_DOMAINS_MAX; i++) {
    g_snprintf (name, sizeof name, "%u.example", i);
    g_assert_cmpuint (ask (stub, name, FZ_DNS_TYPE_A).answer.n_ips, ==, 4);
  }
  g_assert_false (ask (stub, "7.example", FZ_DNS_TYPE_A).is_exhausted);
  g_assert_cmpint (ask (stub, "another.example", FZ_DNS_TYPE_A).answer.code, ==, FZ_DNS_SERVFAIL);
  g_assert_true (ask (stub, "another.example", FZ_DNS_TYPE_A).is_exhausted); /* told and counted */
  g_assert_cmpuint (ask (stub, "7.example", FZ_DNS_TYPE_A).answer.n_ips, ==, 4);
  g_assert_cmpuint (fz_dns_stub_get_n_domains (stub), ==, FZ_DNS_DOMAINS_MAX);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns-stub/answers", test_answers);
  g_test_add_func ("/dns-stub/addresses-stay", test_addresses_stay);
  g_test_add_func ("/dns-stub/matches", test_matches);
  g_test_add_func ("/dns-stub/exhaustion", test_exhaustion);
  g_test_add_func ("/dns-stub/too-many-names", test_too_many_names);
  return g_test_run ();
}

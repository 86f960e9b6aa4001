/* test-gateway-names.c: how many names a gateway looks up at a time, and for whom */

#include "src/engine/fz-gateway-names.h"

#include <string.h>

static const FzIp ip4[] = { { FZ_IP_V4, { 100, 64, 0, 1 } }, { FZ_IP_V4, { 100, 64, 0, 2 } } };
static const FzIp ip6[] = { { FZ_IP_V6, { 0xfd, 1 } }, { FZ_IP_V6, { 0xfd, 2 } } };

static FzGrantee *
add_client (FzGrants *grants, unsigned i)
{
  const FzUuid id = { { (uint8_t) (1 + i) } };
  const FzResource resource = {
    .kind = FZ_RESOURCE_DNS, .id = { { 9 } }, .name = "x", .pattern = "*.corp.example"
  };
  FzGrantee *grantee = fz_grants_put (grants, &id, &ip4[i], &ip6[i]);

  g_assert_true (fz_grants_grant (grants, grantee, &resource, FZ_INSTANT_NEVER));
  return grantee;
}

static void
announce_at (FzGatewayNames *names, FzGrantee *grantee, unsigned i, FzInstant now)
{
  FzP2pAssignedIps announced = { .resource = { { 9 } },
                                 .ips = { { FZ_IP_V4, { 100, 96, 1, 1 } } },
                                 .n_ips = 1 };

  g_snprintf (announced.domain, sizeof announced.domain, "n%u.corp.example", i);
  g_assert_cmpint (fz_gateway_names_handle_announcement (names, grantee, &announced, now),
                   ==,
                   FZ_ANNOUNCED_WAIT);
}

static void
announce (FzGatewayNames *names, FzGrantee *grantee, unsigned i)
{
  announce_at (names, grantee, i, FZ_S);
}

static unsigned
count_lookups (FzRoleContext *context)
{
  FzEvent event;
  unsigned n = 0;

  while (fz_event_queue_poll (&context->events, &event))
    n += event.kind == FZ_EVENT_RESOLVE_DOMAIN;
  return n;
}

/* One client that announces without end; another is served all the same. */
static void
test_share (void)
{
  FzRoleContext context = { 0 };
  FzGrants *grants = fz_grants_new ();
  FzGrantee *greedy = add_client (grants, 0), *modest = add_client (grants, 1);
  FzGatewayNames *names;

  fz_event_queue_init (&context.events);
  names = fz_gateway_names_new (&context);
  for (unsigned i = 0; i < FZ_LOOKUPS_MAX + 10; i++)
    announce (names, greedy, i);
  g_assert_cmpuint (count_lookups (&context), ==, FZ_LOOKUPS_OF_CLIENT_MAX);
  g_assert_cmpuint (
      context.drops[FZ_DROP_QUEUE_FULL], ==, FZ_ANNOUNCEMENTS_AT_ONCE - FZ_LOOKUPS_OF_CLIENT_MAX);
  g_assert_cmpuint (
      context.drops[FZ_DROP_RATE_LIMITED], ==, FZ_LOOKUPS_MAX + 10 - FZ_ANNOUNCEMENTS_AT_ONCE);
  announce (names, modest, 0);
  announce (names, modest, 0); /* is being asked */
  g_assert_cmpuint (count_lookups (&context), ==, 1);

  /* they end, and there is room again */
  fz_gateway_names_handle_timeout (names, grants, FZ_S + 60 * FZ_S);
  announce_at (names, greedy, 5000, FZ_S + 60 * FZ_S);
  g_assert_cmpuint (count_lookups (&context), ==, 1);
  fz_gateway_names_free (names);
  fz_event_queue_clear (&context.events);
  fz_grants_free (grants);
}

/* Names that are found at once keep no place; the resolver is not to be flooded by them either. */
static void
test_rate (void)
{
  FzRoleContext context = { 0 };
  FzGrants *grants = fz_grants_new ();
  FzGrantee *greedy = add_client (grants, 0), *modest = add_client (grants, 1);
  FzGatewayNames *names;
  unsigned n = 0;

  fz_event_queue_init (&context.events);
  names = fz_gateway_names_new (&context);
  for (unsigned i = 0; i < 10000; i++) { /* ten seconds */
    FzEvent event;

    announce_at (names, greedy, i, FZ_S + i * FZ_MS);
    while (fz_event_queue_poll (&context.events, &event)) {
      n++;
      g_assert_true (
          fz_gateway_names_handle_resolved (names, grants, event.resolve_domain.id, NULL, 0, true));
    }
  }
  g_assert_cmpuint (n, >=, FZ_ANNOUNCEMENTS_AT_ONCE + 10 * FZ_ANNOUNCEMENTS_PER_S - 1);
  g_assert_cmpuint (n, <=, FZ_ANNOUNCEMENTS_AT_ONCE + 10 * FZ_ANNOUNCEMENTS_PER_S);
  g_assert_cmpuint (context.drops[FZ_DROP_RATE_LIMITED], ==, 10000 - n);
  announce_at (names, modest, 0, 11 * FZ_S);
  g_assert_cmpuint (count_lookups (&context), ==, 1);
  fz_gateway_names_free (names);
  fz_event_queue_clear (&context.events);
  fz_grants_free (grants);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gateway-names/share", test_share);
  g_test_add_func ("/gateway-names/rate", test_rate);
  return g_test_run ();
}

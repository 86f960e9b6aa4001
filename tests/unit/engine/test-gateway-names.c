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
announce (FzGatewayNames *names, const FzGrantee *grantee, unsigned i)
{
  FzP2pAssignedIps announced = { .resource = { { 9 } },
                                 .ips = { { FZ_IP_V4, { 100, 96, 1, 1 } } },
                                 .n_ips = 1 };

  g_snprintf (announced.domain, sizeof announced.domain, "n%u.corp.example", i);
  g_assert_cmpint (fz_gateway_names_handle_announcement (names, grantee, &announced, FZ_S),
                   ==,
                   FZ_ANNOUNCED_WAIT);
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
  const FzGrantee *greedy = add_client (grants, 0), *modest = add_client (grants, 1);
  FzGatewayNames *names;

  fz_event_queue_init (&context.events);
  names = fz_gateway_names_new (&context);
  for (unsigned i = 0; i < FZ_LOOKUPS_MAX + 10; i++)
    announce (names, greedy, i);
  g_assert_cmpuint (count_lookups (&context), ==, FZ_LOOKUPS_OF_CLIENT_MAX);
  g_assert_cmpuint (
      context.drops[FZ_DROP_QUEUE_FULL], ==, FZ_LOOKUPS_MAX + 10 - FZ_LOOKUPS_OF_CLIENT_MAX);
  announce (names, modest, 0);
  announce (names, modest, 0); /* is being asked */
  g_assert_cmpuint (count_lookups (&context), ==, 1);

  /* they end, and there is room again */
  fz_gateway_names_handle_timeout (names, grants, FZ_S + 60 * FZ_S);
  announce (names, greedy, 5000);
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
  return g_test_run ();
}

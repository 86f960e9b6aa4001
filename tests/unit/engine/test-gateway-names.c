/* test-gateway-names.c: how many names a gateway looks up at a time, and for whom */

#include "src/engine/fz-gateway-names.h"

#include <string.h>

static FzGrantee *
add_client (FzGrants *grants, unsigned i)
{
  const FzUuid id = { { (uint8_t) (1 + i) } };
  const FzResource resource = {
    .kind = FZ_RESOURCE_DNS, .id = { { 9 } }, .name = "x", .pattern = "*.corp.example"
  };
  const FzIp ip4 = { FZ_IP_V4, { 100, 64, 0, (uint8_t) (1 + i) } };
  const FzIp ip6 = { FZ_IP_V6, { 0xfd, (uint8_t) (1 + i) } };
  FzGrantee *grantee = fz_grants_put (grants, &id, &ip4, &ip6);

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

/* The names that wait, by the client's number in @out_n. */
static void
count_by_client (FzGatewayNames *names, FzGrants *grants, unsigned *out_n)
{
  FzDomainAnswer answer;

  fz_gateway_names_handle_timeout (names, grants, FZ_S + 60 * FZ_S); /* all of them */
  while (fz_gateway_names_poll_answer (names, &answer))
    out_n[answer.client_id.bytes[0] - 1]++;
}

/* Many that want as much as they can get, one after the other: the places are shared equally, also
 * with those that come last. */
static void
test_crowd (gconstpointer data)
{
  unsigned n_clients = GPOINTER_TO_UINT (data);
  unsigned share = FZ_LOOKUPS_MAX / n_clients, n = 0, n_lookups;
  unsigned by_client[50] = { 0 };
  FzRoleContext context = { 0 };
  FzGrants *grants = fz_grants_new ();
  FzGatewayNames *names;

  fz_event_queue_init (&context.events);
  names = fz_gateway_names_new (&context);
  for (unsigned i = 0; i < n_clients; i++) {
    FzGrantee *grantee = add_client (grants, i);

    for (unsigned k = 0; k < FZ_LOOKUPS_OF_CLIENT_MAX + 10; k++)
      announce (names, grantee, k);
  }
  n_lookups = count_lookups (&context); /* the host has been asked for as many again at most */
  g_assert_cmpuint (n_lookups, <=, FZ_LOOKUPS_MAX + FZ_LOOKUPS_GIVEN_UP_MAX);
  count_by_client (names, grants, by_client);
  for (unsigned i = 0; i < n_clients; i++) {
    g_test_message ("client %u: %u", i, by_client[i]);
    g_assert_cmpuint (by_client[i], >=, share - 1);
    g_assert_cmpuint (by_client[i], <=, share + 1);
    n += by_client[i];
  }
  g_assert_cmpuint (n, ==, FZ_LOOKUPS_MAX);

  announce_at (names, add_client (grants, 49), 0, FZ_S + 60 * FZ_S); /* nothing is left behind */
  g_assert_cmpuint (count_lookups (&context), ==, 1);
  fz_gateway_names_free (names);
  fz_event_queue_clear (&context.events);
  fz_grants_free (grants);
}

/* All places are taken, and the host answers nothing: who is new gets one as long as anything can
 * be given up, and what was given up is nobody's when it is answered. */
static void
test_given_up (void)
{
  FzRoleContext context = { 0 };
  FzGrants *grants = fz_grants_new ();
  unsigned by_client[50] = { 0 };
  FzGatewayNames *names;
  FzDomainAnswer answer;

  fz_event_queue_init (&context.events);
  names = fz_gateway_names_new (&context);
  for (unsigned i = 0; i < 10; i++) {
    FzGrantee *grantee = add_client (grants, i);

    for (unsigned k = 0; k < FZ_LOOKUPS_OF_CLIENT_MAX; k++)
      announce (names, grantee, k);
  }
  g_assert_cmpuint (count_lookups (&context), ==, FZ_LOOKUPS_MAX);
  announce (names, add_client (grants, 10), 0);
  g_assert_cmpuint (count_lookups (&context), ==, 1);
  g_assert_cmpuint (context.drops[FZ_DROP_QUEUE_FULL], ==, 1);

  /* the tenth client's newest had to go: number 1000 of the host's questions */
  g_assert_true (fz_gateway_names_handle_resolved (names, grants, 1000, NULL, 0, true));
  g_assert_false (fz_gateway_names_poll_answer (names, &answer));
  g_assert_true (fz_gateway_names_handle_resolved (names, grants, 1001, NULL, 0, true));
  g_assert_true (fz_gateway_names_poll_answer (names, &answer));
  count_by_client (names, grants, by_client);
  g_assert_cmpuint (by_client[9], ==, FZ_LOOKUPS_OF_CLIENT_MAX - 1);
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
  g_test_add_data_func ("/gateway-names/crowd/10", GUINT_TO_POINTER (10), test_crowd);
  g_test_add_data_func ("/gateway-names/crowd/17", GUINT_TO_POINTER (17), test_crowd);
  g_test_add_func ("/gateway-names/given-up", test_given_up);
  g_test_add_func ("/gateway-names/rate", test_rate);
  return g_test_run ();
}

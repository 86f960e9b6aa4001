/* test-engine.c: what holds for every role: commands of the right role and size only, silence
 * without work, and no harm from garbage. */

#include "engine-bed.h"
#include "src/engine/fz-limits.h"
#include "src/engine/fz-relay-pool.h"

#include <string.h>

static const FzCommandKind client_only[] = {
  FZ_COMMAND_CLIENT_INIT,
  FZ_COMMAND_UPSERT_RESOURCE,
  FZ_COMMAND_REMOVE_RESOURCE,
  FZ_COMMAND_AUTHORIZATION_FAILED,
};
static const FzCommandKind gateway_only[] = {
  FZ_COMMAND_GATEWAY_INIT,
  FZ_COMMAND_REJECT_ACCESS,
  FZ_COMMAND_UPDATE_RESOURCE,
};
static const FzCommandKind with_portal[] = {
  FZ_COMMAND_PORTAL_CONNECTED, FZ_COMMAND_PORTAL_DISCONNECTED,   FZ_COMMAND_RELAYS_PRESENCE,
  FZ_COMMAND_ADD_CANDIDATES,   FZ_COMMAND_INVALIDATE_CANDIDATES,
};

static void
refuse_all (FzRole role, const FzCommandKind *kinds, size_t n)
{
  g_auto (EngineBed) bed;

  bed_init (&bed, role);
  for (size_t i = 0; i < n; i++) {
    FzCommand command = { .kind = kinds[i] };

    bed_refuse (&bed, &command, FZ_ENGINE_ERROR_WRONG_ROLE);
  }
}

static void
test_wrong_role (void)
{
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
  FzCommand created = bed_created (0x11, 0x9a);
  FzCommand create = bed_create (&resource, 0xc1);
  FzCommand bare = { .kind = FZ_COMMAND_ADD_BARE_PEER };
  FzCommand config = { .kind = FZ_COMMAND_CONFIG_CHANGED };
  g_auto (EngineBed) client;
  g_auto (EngineBed) gateway;
  g_auto (EngineBed) plain;

  refuse_all (FZ_ROLE_CLIENT, gateway_only, G_N_ELEMENTS (gateway_only));
  refuse_all (FZ_ROLE_GATEWAY, client_only, G_N_ELEMENTS (client_only));
  refuse_all (FZ_ROLE_BARE, client_only, G_N_ELEMENTS (client_only));
  refuse_all (FZ_ROLE_BARE, gateway_only, G_N_ELEMENTS (gateway_only));
  refuse_all (FZ_ROLE_BARE, with_portal, G_N_ELEMENTS (with_portal));

  bed_init (&client, FZ_ROLE_CLIENT);
  bed_init (&gateway, FZ_ROLE_GATEWAY);
  bed_init (&plain, FZ_ROLE_BARE);
  bed_refuse (&client, &create, FZ_ENGINE_ERROR_WRONG_ROLE);
  bed_refuse (&client, &bare, FZ_ENGINE_ERROR_WRONG_ROLE);
  bed_refuse (&gateway, &created, FZ_ENGINE_ERROR_WRONG_ROLE);
  bed_refuse (&gateway, &bare, FZ_ENGINE_ERROR_WRONG_ROLE);
  bed_refuse (&gateway, &config, FZ_ENGINE_ERROR_WRONG_ROLE);
  bed_refuse (&plain, &created, FZ_ENGINE_ERROR_WRONG_ROLE);
  bed_refuse (&plain, &create, FZ_ENGINE_ERROR_WRONG_ROLE);
}

static void
test_unknown_command (void)
{
  g_auto (EngineBed) bed;
  FzCommand command = { .kind = (FzCommandKind) 99 };

  bed_init (&bed, FZ_ROLE_CLIENT);
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_INVALID);
}

/* -- limits, at the maximum and one past it -- */

static void
test_candidate_limits (void)
{
  g_auto (EngineBed) bed;
  g_autofree char *text = g_strnfill (FZ_CANDIDATE_LENGTH_MAX + 1, 'x');
  const char *candidates[FZ_CANDIDATES_MAX + 1];
  FzCommand command = { .kind = FZ_COMMAND_ADD_CANDIDATES };

  bed_init (&bed, FZ_ROLE_CLIENT);
  for (size_t i = 0; i <= FZ_CANDIDATES_MAX; i++)
    candidates[i] = "candidate:1 1 udp 1 10.0.0.1 1 typ host";
  command.candidates.candidates = candidates;
  command.candidates.n_candidates = FZ_CANDIDATES_MAX;
  bed_command (&bed, &command); /* for nobody that we know */
  command.candidates.n_candidates++;
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_TOO_MANY);

  command.candidates.n_candidates = 1;
  candidates[0] = text;
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_TOO_MANY);
  text[FZ_CANDIDATE_LENGTH_MAX] = '\0';
  bed_command (&bed, &command);
  candidates[0] = NULL;
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_TOO_MANY);
}

static void
test_relay_limits (void)
{
  g_auto (EngineBed) bed;
  FzRelay relays[FZ_RELAYS_MAX + 1];
  FzCommand command = { .kind = FZ_COMMAND_RELAYS_PRESENCE };
  FzEngineCounters counters;

  bed_init (&bed, FZ_ROLE_CLIENT);
  for (unsigned i = 0; i <= FZ_RELAYS_MAX; i++) {
    relays[i] = bed_relay ();
    relays[i].id.bytes[1] = (uint8_t) i;
    relays[i].ipv4.port = (uint16_t) (1000 + i);
  }
  command.relays_presence.connected = relays;
  command.relays_presence.n_connected = FZ_RELAYS_MAX + 1;
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_TOO_MANY);
  command.relays_presence.n_connected = FZ_RELAYS_MAX;
  bed_command (&bed, &command);
  fz_engine_get_counters (bed.engine, &counters);
  g_assert_cmpuint (counters.n_relays, ==, FZ_RELAYS_MAX);

  relays[0].password = NULL;
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_INVALID);
}

static void
test_resource_limits (void)
{
  g_auto (EngineBed) bed;
  g_autofree FzResource *resources = g_new0 (FzResource, FZ_RESOURCES_MAX + 1);
  FzCommand init = bed_client_init (resources, FZ_RESOURCES_MAX + 1, NULL);
  FzCommand upsert = { .kind = FZ_COMMAND_UPSERT_RESOURCE };
  const FzResourceView *view;

  for (unsigned i = 0; i <= FZ_RESOURCES_MAX; i++) {
    resources[i] = bed_cidr (0x11, "10.0.0.0/8");
    resources[i].id.bytes[1] = (uint8_t) (i >> 8);
    resources[i].id.bytes[2] = (uint8_t) i;
  }
  bed_init (&bed, FZ_ROLE_CLIENT);
  bed_refuse (&bed, &init, FZ_ENGINE_ERROR_TOO_MANY);
  init.client_init.n_resources = FZ_RESOURCES_MAX;
  bed_command (&bed, &init);
  bed_forget (&bed);
  g_assert_cmpuint (fz_engine_get_resources (bed.engine, &view), ==, FZ_RESOURCES_MAX);

  upsert.resource = resources[FZ_RESOURCES_MAX];
  bed_refuse (&bed, &upsert, FZ_ENGINE_ERROR_TOO_MANY);
  upsert.resource = resources[0]; /* one that is there may change */
  upsert.resource.name = "other";
  bed_command (&bed, &upsert);
  upsert.resource.kind = FZ_RESOURCE_DNS; /* without pattern */
  bed_refuse (&bed, &upsert, FZ_ENGINE_ERROR_INVALID);
}

static void
test_connection_checks (void)
{
  g_auto (EngineBed) bed;
  g_autofree char *text = g_strnfill (FZ_CREDENTIAL_LENGTH_MAX + 1, 'x');
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
  FzRelay relay = bed_relay ();
  FzCommand init = bed_gateway_init (NULL, 0, &relay);
  FzCommand create = bed_create (&resource, 0xc1);

  bed_init (&bed, FZ_ROLE_GATEWAY);
  bed_command (&bed, &init);
  bed_answer_relay (&bed);
  bed_forget (&bed);

  create.create_authorization.use_iceless = true;
  bed_refuse (&bed, &create, FZ_ENGINE_ERROR_INVALID);
  create = bed_create (&resource, 0xc1);
  create.create_authorization.client_ice.password = text;
  bed_refuse (&bed, &create, FZ_ENGINE_ERROR_INVALID);
  create.create_authorization.client_ice.password = "";
  bed_refuse (&bed, &create, FZ_ENGINE_ERROR_INVALID);
  create.create_authorization.client_ice.password = NULL;
  bed_refuse (&bed, &create, FZ_ENGINE_ERROR_INVALID);
  create = bed_create (&resource, 0xc1);
  create.create_authorization.ref = NULL;
  bed_refuse (&bed, &create, FZ_ENGINE_ERROR_TOO_MANY);
  create = bed_create (&resource, 0xc1);
  create.create_authorization.client_ipv4 = create.create_authorization.client_ipv6;
  bed_refuse (&bed, &create, FZ_ENGINE_ERROR_INVALID);
  create = bed_create (&resource, 0xc1);
  memset (create.create_authorization.client_public_key, 0, FZ_KEY_SIZE); /* a low-order point */
  bed_refuse (&bed, &create, FZ_ENGINE_ERROR_INVALID);

  text[FZ_CREDENTIAL_LENGTH_MAX] = '\0';
  create = bed_create (&resource, 0xc1);
  create.create_authorization.client_ice.password = text;
  bed_command (&bed, &create);
  bed_expect (&bed, "accepted ref");
}

static void
test_bare_limits (void)
{
  g_auto (EngineBed) bed;
  g_autofree FzIpNetwork *allowed = g_new0 (FzIpNetwork, FZ_ALLOWED_MAX + 1);
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
  FzCommand like = bed_create (&resource, 0xc1);
  FzCommand command = { .kind = FZ_COMMAND_ADD_BARE_PEER };

  for (size_t i = 0; i <= FZ_ALLOWED_MAX; i++)
    allowed[i] = resource.network;
  bed_init (&bed, FZ_ROLE_BARE);
  command.bare_peer.id = bed_uuid (1);
  command.bare_peer.allowed = allowed;
  command.bare_peer.n_allowed = FZ_ALLOWED_MAX;
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_INVALID); /* an all-zero key */
  memcpy (command.bare_peer.public_key, like.create_authorization.client_public_key, FZ_KEY_SIZE);
  command.bare_peer.n_allowed++;
  bed_refuse (&bed, &command, FZ_ENGINE_ERROR_TOO_MANY);
  command.bare_peer.n_allowed--;
  bed_command (&bed, &command);
  g_assert_cmpuint (bed_n_peers (&bed), ==, 1);
}

/* -- silence -- */

static void
test_silence (void)
{
  static const FzRole roles[] = { FZ_ROLE_CLIENT, FZ_ROLE_GATEWAY, FZ_ROLE_BARE };

  for (size_t i = 0; i < G_N_ELEMENTS (roles); i++) {
    g_auto (EngineBed) bed;

    bed_init (&bed, roles[i]);
    g_assert_cmpuint (fz_engine_next_timeout (bed.engine), ==, FZ_INSTANT_NEVER);
    fz_engine_handle_timeout (bed.engine, bed.now); /* early or twice is harmless */
    fz_engine_handle_timeout (bed.engine, bed.now);
    bed_expect (&bed, NULL);
    g_assert_cmpuint (bed.n_transmits, ==, 0);
  }
}

/* A relay that never answers is tried for a while and reported, then there is peace. */
static void
test_silent_relay (void)
{
  g_auto (EngineBed) bed;
  FzRelay relay = bed_relay ();
  FzCommand init = bed_client_init (NULL, 0, &relay);

  bed_init (&bed, FZ_ROLE_CLIENT);
  bed_command (&bed, &init);
  bed_forget (&bed);
  bed_run (&bed, 60 * FZ_S);
  bed_expect (&bed, "no-relays");
  bed_expect (&bed, NULL);
  g_assert_cmpuint (fz_engine_next_timeout (bed.engine), ==, FZ_INSTANT_NEVER);
  g_assert_cmpuint (bed.n_transmits, ==, 4); /* at 0, 1, 2.5 and 4.75 s */
}

/* -- garbage -- */

static const struct {
  FzRole role;
  const char *path;
} roles[] = {
  { FZ_ROLE_CLIENT, "/engine/garbage/client" },
  { FZ_ROLE_GATEWAY, "/engine/garbage/gateway" },
  { FZ_ROLE_BARE, "/engine/garbage/bare" },
};

/* Bytes that look right at their beginning more often than by chance. */
static FzSpan
draw_bytes (const FzRng *rng, uint8_t out[1400])
{
  static const uint8_t starts[][20] = {
    { 1 },
    { 2 },
    { 3 },
    { 4 },
    { 0x40, 1 },
    { 0x45, 0, 0, 28 },
    { 0x60 },
    { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 },
    { 1, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42 },
  };
  static const size_t lengths[] = { 0, 1, 4, 19, 20, 28, 32, 40, 48, 64, 92, 148, 1280, 1316 };
  size_t length = lengths[fz_rng_below (rng, G_N_ELEMENTS (lengths))];

  fz_rng_fill (rng, out, length);
  if (length >= sizeof starts[0] && fz_rng_below (rng, 4) != 0)
    memcpy (out,
            starts[fz_rng_below (rng, G_N_ELEMENTS (starts))],
            1 + fz_rng_below (rng, sizeof starts[0]));
  return fz_span (out, length);
}

static void
test_garbage (gconstpointer data)
{
  g_auto (EngineBed) bed;
  FzSeededRng seeded;
  FzRng rng;
  FzResource resource = bed_cidr (0x11, "10.0.0.0/8");
  FzRelay relay = bed_relay ();
  FzCommand client = bed_client_init (&resource, 1, &relay);
  FzCommand gateway = bed_gateway_init (NULL, 0, &relay);
  FzCommand create = bed_create (&resource, 0xc1);
  FzRole role = (FzRole) GPOINTER_TO_INT (data);
  uint8_t bytes[1400];

  fz_seeded_rng_init (&seeded, 99);
  rng = fz_seeded_rng (&seeded);
  bed_init (&bed, role);
  if (role == FZ_ROLE_CLIENT)
    bed_command (&bed, &client);
  if (role == FZ_ROLE_GATEWAY)
    bed_command (&bed, &gateway);
  bed_answer_relay (&bed);
  if (role == FZ_ROLE_GATEWAY)
    bed_command (&bed, &create);
  bed_forget (&bed);

  for (unsigned i = 0; i < 20000; i++) {
    FzLaneMessageKind kind = (FzLaneMessageKind) fz_rng_below (&rng, 7);

    bed_message (&bed, kind, fz_rng_u32 (&rng) >> 8, draw_bytes (&rng, bytes));
  }
  bed_run (&bed, FZ_S);
  g_assert_cmpuint (bed.packets->len, ==, 0);
  g_assert_false (bed_has (&bed, "connected"));
  g_assert_cmpuint (bed_drops (&bed, FZ_DROP_UNKNOWN_PEER), >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/wrong-role", test_wrong_role);
  g_test_add_func ("/engine/unknown-command", test_unknown_command);
  g_test_add_func ("/engine/limits/candidates", test_candidate_limits);
  g_test_add_func ("/engine/limits/relays", test_relay_limits);
  g_test_add_func ("/engine/limits/resources", test_resource_limits);
  g_test_add_func ("/engine/limits/connection", test_connection_checks);
  g_test_add_func ("/engine/limits/bare", test_bare_limits);
  g_test_add_func ("/engine/silence/empty", test_silence);
  g_test_add_func ("/engine/silence/relay", test_silent_relay);
  for (size_t i = 0; i < G_N_ELEMENTS (roles); i++)
    g_test_add_data_func (roles[i].path, GINT_TO_POINTER ((int) roles[i].role), test_garbage);
  return g_test_run ();
}

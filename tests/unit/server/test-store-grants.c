/* test-store-grants.c: what goes with what in the store: tokens, devices and their addresses,
 * grants */

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-server-error.h"
#include "tests/unit/server/store-bed.h"

#include <string.h>

/* Neither the token nor its secret is anywhere in the file. */
static void
test_token_is_stored_hashed (StoreBed *bed, gconstpointer data)
{
  g_autofree char *actor_id = store_bed_add_actor (bed, "sam");
  g_autofree char *text = NULL;
  FzTokenRecord *record = store_bed_client_token (bed, actor_id, &text);
  static const char *const endings[] = { "", "-wal" };
  g_autofree uint8_t *body = NULL;
  gsize body_length = 0;
  g_autofree char *standard = g_strdup (strchr (text, '_') + 1);

  fz_token_record_free (record);
  for (char *p = standard; *p != '\0'; p++)
    *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
  body = g_base64_decode (standard, &body_length);
  g_assert_cmpuint (body_length, ==, 48);
  for (size_t i = 0; i < G_N_ELEMENTS (endings); i++) {
    g_autofree char *path = g_strconcat (bed->path, endings[i], NULL);
    g_autofree char *content = NULL;
    gsize length = 0;

    g_assert_true (g_file_get_contents (path, &content, &length, NULL));
    g_assert_null (memmem (content, length, body + 16, 32));
    g_assert_null (memmem (content, length, standard + 22, 40));
  }
}

static void
test_token_expiry (StoreBed *bed, gconstpointer data)
{
  g_autofree char *actor_id = store_bed_add_actor (bed, "sam");
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  int64_t now = fz_store_now ();
  FzTokenSpec spec = { .kind = FZ_TOKEN_CLIENT,
                       .account_id = bed->account_id,
                       .actor_id = actor_id,
                       .expires_at = now + 100 };
  g_autofree char *id = fz_store_token_add (bed->store, &spec, &text, &error);
  g_autoptr (FzTokenRecord) before = NULL;
  g_autoptr (FzTokenRecord) after = NULL;
  g_autofree char *stale = NULL;
  g_autofree char *stale_text = NULL;

  g_assert_nonnull (id);
  before = fz_store_token_verify (bed->store, FZ_TOKEN_CLIENT, text, now + 99, &error);
  g_assert_nonnull (before);
  g_assert_cmpint (before->expires_at, ==, now + 100);
  after = fz_store_token_verify (bed->store, FZ_TOKEN_CLIENT, text, now + 100, &error);
  g_assert_null (after);
  g_assert_no_error (error);

  spec.expires_at = now - 1;
  stale = fz_store_token_add (bed->store, &spec, &stale_text, &error);
  g_assert_null (stale);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
}

/* The same id under another actor is another device (§8.1). */
static void
test_devices (StoreBed *bed, gconstpointer data)
{
  g_autofree char *sam = store_bed_add_actor (bed, "sam");
  g_autofree char *kim = store_bed_add_actor (bed, "kim");
  g_autoptr (FzTokenRecord) sams = store_bed_client_token (bed, sam, NULL);
  g_autoptr (FzTokenRecord) kims = store_bed_client_token (bed, kim, NULL);
  g_autoptr (FzDeviceRecord) first = store_bed_connect_client (bed, sams, "one");
  g_autoptr (FzDeviceRecord) again = store_bed_connect_client (bed, sams, "one");
  g_autoptr (FzDeviceRecord) second = store_bed_connect_client (bed, sams, "two");
  g_autoptr (FzDeviceRecord) other = store_bed_connect_client (bed, kims, "one");

  g_assert_cmpstr (first->id, ==, again->id);
  g_assert_cmpstr (first->ipv4, ==, again->ipv4);
  g_assert_cmpmem (first->psk_base, 32, again->psk_base, 32);
  g_assert_cmpstr (first->id, !=, second->id);
  g_assert_cmpstr (first->id, !=, other->id);
  g_assert_cmpstr (first->ipv4, !=, other->ipv4);
  g_assert_true (memcmp (first->psk_base, second->psk_base, 32) != 0);
}

static bool
is_in_set (const FzIp *ip, void *context)
{
  char text[FZ_IP_TEXT_MAX];

  return g_hash_table_contains (context, fz_ip_format (ip, text));
}

/* A range of 16: 14 usable ones, each given once, then no more. */
static void
test_address_range (void)
{
  g_autoptr (GHashTable) taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) error = NULL;
  FzSeededRng seeded;
  FzRng rng;
  FzIp base;
  FzIp ip;

  fz_seeded_rng_init (&seeded, 3);
  rng = fz_seeded_rng (&seeded);
  g_assert_true (fz_ip_parse ("100.64.0.0", &base));
  for (int i = 0; i < 14; i++) {
    char text[FZ_IP_TEXT_MAX];

    g_assert_true (fz_store_pick_address (&rng, &base, 4, is_in_set, taken, &ip, &error));
    fz_ip_format (&ip, text);
    g_assert_cmpstr (text, !=, "100.64.0.0");
    g_assert_cmpstr (text, !=, "100.64.0.15");
    g_assert_true (g_hash_table_add (taken, g_strdup (text)));
  }
  g_assert_false (fz_store_pick_address (&rng, &base, 4, is_in_set, taken, &ip, &error));
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_EXHAUSTED);
}

static bool
never_taken (const FzIp *ip, void *context)
{
  return false;
}

static void
test_address_bounds (void)
{
  FzSeededRng seeded;
  FzRng rng;
  FzIpNetwork v4;
  FzIpNetwork v6;
  FzIp ip;

  fz_seeded_rng_init (&seeded, 4);
  rng = fz_seeded_rng (&seeded);
  g_assert_true (fz_ip_network_parse ("100.64.0.0/11", &v4));
  g_assert_true (fz_ip_network_parse ("fd00:2021:1111::/107", &v6));
  for (int i = 0; i < 2000; i++) {
    g_assert_true (fz_store_pick_address (&rng, &v4.ip, 21, never_taken, NULL, &ip, NULL));
    g_assert_true (fz_ip_network_contains (&v4, &ip));
    g_assert_true (fz_store_pick_address (&rng, &v6.ip, 21, never_taken, NULL, &ip, NULL));
    g_assert_true (fz_ip_network_contains (&v6, &ip));
  }
}

/* -- grants -- */

typedef struct {
  char *actor_id;
  char *group_id;
  char *resource_id;
  char *policy_id;
  FzTokenRecord *token;
  FzDeviceRecord *client;
  FzDeviceRecord *gateway;
} Access;

static void
access_clear (Access *access)
{
  g_free (access->actor_id);
  g_free (access->group_id);
  g_free (access->resource_id);
  g_free (access->policy_id);
  fz_token_record_free (access->token);
  fz_device_record_free (access->client);
  fz_device_record_free (access->gateway);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Access, access_clear)

static void
make_access (StoreBed *bed, Access *access)
{
  FzResourceSpec resource = { .name = "lab", .address = "10.0.0.0/8", .site_id = bed->site_id };
  FzTokenSpec spec = { .kind = FZ_TOKEN_GATEWAY,
                       .account_id = bed->account_id,
                       .site_id = bed->site_id };
  FzDeviceReport report = { .external_id = "g", .name = "gateway", .public_key = "key" };
  g_autoptr (GError) error = NULL;
  g_autoptr (FzTokenRecord) gateway_token = NULL;
  g_autofree char *gateway_token_id = NULL;
  g_autofree char *text = NULL;

  access->actor_id = store_bed_add_actor (bed, "sam");
  access->group_id = fz_store_group_add (bed->store, bed->account_id, "staff", &error);
  g_assert_true (fz_store_member_add (bed->store, access->group_id, access->actor_id, &error));
  access->resource_id = fz_store_resource_add (bed->store, bed->account_id, &resource, &error);
  access->policy_id = fz_store_policy_add (
      bed->store, bed->account_id, access->group_id, access->resource_id, NULL, NULL, &error);
  access->token = store_bed_client_token (bed, access->actor_id, NULL);
  access->client = store_bed_connect_client (bed, access->token, "c");
  gateway_token_id = fz_store_token_add (bed->store, &spec, &text, &error);
  gateway_token =
      fz_store_token_verify (bed->store, FZ_TOKEN_GATEWAY, text, fz_store_now (), &error);
  access->gateway = fz_store_gateway_connect (bed->store, gateway_token, &report, &error);
  g_assert_no_error (error);
}

static char *
put_grant (StoreBed *bed, const Access *access, int64_t expires_at)
{
  g_autoptr (GPtrArray) entitlements = fz_store_entitlements (bed->store, access->actor_id, NULL);
  const FzEntitlement *entitlement = g_ptr_array_index (entitlements, 0);
  g_autoptr (GError) error = NULL;
  FzGrantSpec spec = {
    .account_id = bed->account_id,
    .policy_id = entitlement->policy_id,
    .resource_id = entitlement->resource.id,
    .client_id = access->client->id,
    .receiver_id = access->gateway->id,
    .token_id = access->token->id,
    .membership_id = entitlement->membership_id,
    .expires_at = expires_at,
  };
  char *id = fz_store_grant_put (bed->store, &spec, &error);

  g_assert_no_error (error);
  return id;
}

static unsigned
count_revocations (StoreBed *bed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = fz_store_take_revocations (bed->store, &error);

  g_assert_no_error (error);
  return list->len;
}

static void
test_grant_replaces (StoreBed *bed, gconstpointer data)
{
  g_auto (Access) access = { 0 };
  int64_t now = fz_store_now ();
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr (GPtrArray) grants = NULL;
  g_autoptr (GPtrArray) later = NULL;

  make_access (bed, &access);
  first = put_grant (bed, &access, now + 100);
  second = put_grant (bed, &access, now + 50);
  grants = fz_store_grants_of_receiver (bed->store, access.gateway->id, now, NULL);
  g_assert_cmpuint (grants->len, ==, 1);
  g_assert_cmpstr (((FzGrant *) g_ptr_array_index (grants, 0))->id, ==, second);
  g_assert_cmpstr (first, !=, second);
  g_assert_cmpuint (count_revocations (bed), ==, 0);
  later = fz_store_grants_of_receiver (bed->store, access.gateway->id, now + 50, NULL);
  g_assert_cmpuint (later->len, ==, 0);
}

/* Whatever ends a grant, one revocation says so. */
static void
test_every_end_leaves_a_revocation (StoreBed *bed, gconstpointer data)
{
  static const FzThing ends[] = { FZ_THING_POLICY, FZ_THING_RESOURCE, FZ_THING_GROUP,
                                  FZ_THING_TOKEN,  FZ_THING_CLIENT,   FZ_THING_GATEWAY,
                                  FZ_THING_ACTOR,  FZ_THING_SITE };

  for (size_t i = 0; i < G_N_ELEMENTS (ends); i++) {
    g_auto (Access) access = { 0 };
    g_autoptr (GError) error = NULL;
    g_autofree char *grant = NULL;
    const char *ids[] = {
      [FZ_THING_POLICY] = NULL, [FZ_THING_RESOURCE] = NULL, [FZ_THING_GRANT] = NULL
    };

    if (i > 0) {
      store_bed_tear_down (bed, NULL);
      store_bed_set_up (bed, NULL);
    }
    make_access (bed, &access);
    grant = put_grant (bed, &access, fz_store_now () + 100);
    ids[FZ_THING_POLICY] = access.policy_id;
    ids[FZ_THING_RESOURCE] = access.resource_id;
    ids[FZ_THING_GROUP] = access.group_id;
    ids[FZ_THING_TOKEN] = access.token->id;
    ids[FZ_THING_CLIENT] = access.client->id;
    ids[FZ_THING_GATEWAY] = access.gateway->id;
    ids[FZ_THING_ACTOR] = access.actor_id;
    ids[FZ_THING_SITE] = bed->site_id;
    g_test_message ("%s", fz_thing_name (ends[i]));
    g_assert_true (fz_store_remove (bed->store, ends[i], bed->account_id, ids[ends[i]], &error));
    g_assert_no_error (error);
    g_assert_cmpuint (count_revocations (bed), ==, 1);
    g_assert_cmpuint (count_revocations (bed), ==, 0); /* taken once */
  }
}

static void
test_purge (StoreBed *bed, gconstpointer data)
{
  g_auto (Access) access = { 0 };
  int64_t now = fz_store_now ();
  g_autofree char *grant = NULL;
  g_autoptr (JsonArray) kept = NULL;
  g_autoptr (JsonArray) gone = NULL;

  make_access (bed, &access);
  grant = put_grant (bed, &access, now + 100);
  g_assert_true (fz_store_purge (bed->store, now + 200, NULL));
  kept = fz_store_list (bed->store, FZ_THING_GRANT, bed->account_id, NULL, NULL);
  g_assert_cmpuint (json_array_get_length (kept), ==, 1);
  g_assert_true (fz_store_purge (bed->store, now + 200 + 86400, NULL));
  gone = fz_store_list (bed->store, FZ_THING_GRANT, bed->account_id, NULL, NULL);
  g_assert_cmpuint (json_array_get_length (gone), ==, 0);
}

static void
test_entitlements (StoreBed *bed, gconstpointer data)
{
  g_auto (Access) access = { 0 };
  g_autoptr (GPtrArray) mine = NULL;
  g_autoptr (GPtrArray) disabled = NULL;
  g_autoptr (JsonNode) off = json_from_string ("{\"disabled\":true}", NULL);
  g_autofree char *stranger = NULL;
  g_autoptr (GPtrArray) none = NULL;

  make_access (bed, &access);
  stranger = store_bed_add_actor (bed, "kim");
  mine = fz_store_entitlements (bed->store, access.actor_id, NULL);
  g_assert_cmpuint (mine->len, ==, 1);
  g_assert_nonnull (((FzEntitlement *) g_ptr_array_index (mine, 0))->membership_id);
  none = fz_store_entitlements (bed->store, stranger, NULL);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_true (
      fz_store_policy_update (bed->store, access.policy_id, json_node_get_object (off), NULL));
  disabled = fz_store_entitlements (bed->store, access.actor_id, NULL);
  g_assert_cmpuint (disabled->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  STORE_BED_ADD ("/token/stored-hashed", test_token_is_stored_hashed);
  STORE_BED_ADD ("/token/expiry", test_token_expiry);
  STORE_BED_ADD ("/device/identity", test_devices);
  g_test_add_func ("/address/range", test_address_range);
  g_test_add_func ("/address/bounds", test_address_bounds);
  STORE_BED_ADD ("/grant/replaces", test_grant_replaces);
  STORE_BED_ADD ("/grant/every-end-leaves-a-revocation", test_every_end_leaves_a_revocation);
  STORE_BED_ADD ("/grant/purge", test_purge);
  STORE_BED_ADD ("/policy/entitlements", test_entitlements);
  return g_test_run ();
}

/* test-store.c
 *
 * The store alone: what it accepts and refuses, what goes with what, addresses,
 * and a database that is full, locked, damaged or from the future.
 */
#include "src/crypto/fz-crypto.h"
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"
#include "src/server/fz-store.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
  char *folder;
  char *path;
  FzSeededRng seeded;
  FzRng rng;
  FzStore *store;
  char *account_id;
  char *site_id;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("fz-store-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "portal.db", NULL);
  fz_seeded_rng_init (&fixture->seeded, 7);
  fixture->rng = fz_seeded_rng (&fixture->seeded);
  fixture->store = fz_store_open (fixture->path, &fixture->rng, &error);
  g_assert_no_error (error);
  fixture->account_id = fz_store_account_add (fixture->store, "Acme & Co", NULL, &error);
  g_assert_no_error (error);
  fixture->site_id = fz_store_site_add (fixture->store, fixture->account_id, "berlin", &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  static const char *const endings[] = { "", "-wal", "-shm" };

  fz_store_free (fixture->store);
  for (size_t i = 0; i < G_N_ELEMENTS (endings); i++) {
    g_autofree char *path = g_strconcat (fixture->path, endings[i], NULL);

    g_unlink (path);
  }
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
  g_free (fixture->path);
  g_free (fixture->account_id);
  g_free (fixture->site_id);
}

/* -- what is accepted -- */

static void
test_account (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzAccount) account =
      fz_store_account_load (fixture->store, fixture->account_id, &error);
  g_autoptr (JsonArray) groups =
      fz_store_list (fixture->store, FZ_THING_GROUP, fixture->account_id, NULL, &error);
  g_autofree char *twin = NULL;
  g_autofree char *bad = NULL;
  struct stat info;

  g_assert_no_error (error);
  g_assert_cmpstr (account->slug, ==, "acme___co");
  g_assert_cmpint (account->dns_mode, ==, FZ_DNS_SYSTEM);
  g_assert_cmpuint (json_array_get_length (groups), ==, 1);
  g_assert_cmpstr (
      fz_json_text (json_array_get_object_element (groups, 0), "name"), ==, FZ_GROUP_EVERYONE);
  g_assert_cmpint (stat (fixture->path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);

  twin = fz_store_account_add (fixture->store, "Other", "acme___co", &error);
  g_assert_null (twin);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_CONFLICT);
  g_clear_error (&error);
  bad = fz_store_account_add (fixture->store, "Other", "with-hyphen", &error);
  g_assert_null (bad);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
}

static void
test_dns_settings (Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *changes;
    bool is_fine;
  } rows[] = {
    { "{\"dns\":\"custom\"}", false }, /* no server yet */
    { "{\"dns\":\"custom\",\"dns_servers\":[\"9.9.9.9\"]}", true },
    { "{\"dns_servers\":[]}", false }, /* still custom */
    { "{\"dns_servers\":[\"100.100.111.1\"]}", false },
    { "{\"dns_servers\":[\"fd00:2021:1111::1\"]}", false },
    { "{\"dns_servers\":[\"dns.example\"]}", false },
    { "{\"dns_servers\":[\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\","
      "\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\"]}",
      true },
    { "{\"dns_servers\":[\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\","
      "\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\"]}",
      false },
    { "{\"dns\":\"secure\"}", false }, /* no provider */
    { "{\"dns\":\"secure\",\"doh_provider\":\"google\"}", true },
    { "{\"doh_provider\":\"nobody\"}", false },
    { "{\"dns\":\"magic\"}", false },
    { "{\"dns\":7}", false },
    { "{\"dns\":\"system\"}", true },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (JsonNode) changes = json_from_string (rows[i].changes, NULL);
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", rows[i].changes);
    g_assert_cmpint (
        fz_store_account_update (
            fixture->store, fixture->account_id, json_node_get_object (changes), &error),
        ==,
        rows[i].is_fine);
    g_assert_true ((error == NULL) == rows[i].is_fine);
  }
}

static void
test_resource_addresses (Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *type;
    const char *address;
    const char *stored; /* NULL: refused */
    const char *stored_type;
  } rows[] = {
    { NULL, "10.20.0.7/24", "10.20.0.0/24", "cidr" },
    { NULL, "10.20.0.7", "10.20.0.7", "ip" },
    { NULL, "10.20.0.7/32", "10.20.0.7/32", "cidr" },
    { NULL, "fd00:1234::1/64", "fd00:1234::/64", "cidr" },
    { NULL, "fd00:1234::1", "fd00:1234::1", "ip" },
    { NULL, "Wiki.Corp.Example", "wiki.corp.example", "dns" },
    { NULL, "*.corp.example", "*.corp.example", "dns" },
    { NULL, "**.corp.example", "**.corp.example", "dns" },
    { NULL, "app?.corp.example", "app?.corp.example", "dns" },
    { "cidr", "10.20.0.7", NULL, NULL },
    { "ip", "10.20.0.0/24", NULL, NULL },
    { "dns", "10.20.0.7", NULL, NULL },
    { NULL, "0.0.0.0/0", NULL, NULL },
    { NULL, "::/0", NULL, NULL },
    { NULL, "127.0.0.1", NULL, NULL },
    { NULL, "127.1.0.0/16", NULL, NULL },
    { NULL, "::1", NULL, NULL },
    { NULL, "100.64.0.0/10", NULL, NULL },
    { NULL, "100.96.1.2", NULL, NULL },
    { NULL, "100.128.0.1", "100.128.0.1", "ip" },
    { NULL, "fd00:2021:1111:8000::1", NULL, NULL },
    { NULL, "fd00:2021:1112::1", "fd00:2021:1112::1", "ip" },
    { NULL, "10.0.0.0/33", NULL, NULL },
    { NULL, "10.0.0.0/", NULL, NULL },
    { NULL, "10.20.0.7:443", NULL, NULL },
    { NULL, "a**.corp.example", NULL, NULL },
    { NULL, "corp.*", NULL, NULL },
    { NULL, "corp..example", NULL, NULL },
    { NULL, "app.localhost", NULL, NULL },
    { NULL, "https://wiki", NULL, NULL },
    { NULL, "", NULL, NULL },
    { "static_device_pool", "x", NULL, NULL },
    { "nonsense", "10.0.0.0/8", NULL, NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *name = g_strdup_printf ("r%zu", i);
    FzResourceSpec spec = {
      .name = name, .type = rows[i].type, .address = rows[i].address, .site_id = fixture->site_id
    };
    g_autoptr (GError) error = NULL;
    g_autofree char *id =
        fz_store_resource_add (fixture->store, fixture->account_id, &spec, &error);
    g_autoptr (FzResourceRecord) resource = NULL;

    g_test_message ("%s", rows[i].address);
    g_assert_true ((id != NULL) == (rows[i].stored != NULL));
    g_assert_true ((id == NULL) == (error != NULL));
    if (id == NULL)
      continue;
    resource = fz_store_resource_load (fixture->store, id, &error);
    g_assert_cmpstr (resource->address, ==, rows[i].stored);
    g_assert_cmpstr (resource->type, ==, rows[i].stored_type);
    g_assert_cmpstr (resource->site_name, ==, "berlin");
  }
}

static void
test_one_internet_resource (Fixture *fixture, gconstpointer data)
{
  FzResourceSpec spec = { .name = "Internet", .type = "internet", .site_id = fixture->site_id };
  g_autoptr (GError) error = NULL;
  g_autofree char *first =
      fz_store_resource_add (fixture->store, fixture->account_id, &spec, &error);
  g_autofree char *second = NULL;

  g_assert_no_error (error);
  g_assert_nonnull (first);
  spec.name = "Internet 2";
  second = fz_store_resource_add (fixture->store, fixture->account_id, &spec, &error);
  g_assert_null (second);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_CONFLICT);
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (FZ_STORE_SITE_MAX, 'x');
  g_autofree char *longer = g_strnfill (FZ_STORE_SITE_MAX + 1, 'x');
  struct {
    const char *name;
    bool is_fine;
  } rows[] = {
    { longest, true },
    { longer, false },
    { "", false },
    { "   ", false },
    { "Zürich", true },
    { "a\nb", false },
    { "\xff", false },
    { "berlin", false },
    { " berlin ", false },
    { "x\033[2J", false },
    { "'; DROP TABLE site; --", true },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *id =
        fz_store_site_add (fixture->store, fixture->account_id, rows[i].name, &error);

    g_assert_true ((id != NULL) == rows[i].is_fine);
    g_assert_true ((error == NULL) == rows[i].is_fine);
  }
}

static void
test_finding (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *by_name =
      fz_store_find (fixture->store, FZ_THING_SITE, fixture->account_id, "berlin", &error);
  g_autofree char *by_id =
      fz_store_find (fixture->store, FZ_THING_SITE, fixture->account_id, fixture->site_id, &error);
  g_autofree char *nothing = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (by_name, ==, fixture->site_id);
  g_assert_cmpstr (by_id, ==, fixture->site_id);
  nothing = fz_store_find (fixture->store, FZ_THING_SITE, fixture->account_id, "%", &error);
  g_assert_null (nothing);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_NOT_FOUND);
}

/* -- tokens and devices -- */

static char *
add_actor (Fixture *fixture, const char *name)
{
  g_autoptr (GError) error = NULL;
  char *id =
      fz_store_actor_add (fixture->store, fixture->account_id, "account_user", name, NULL, &error);

  g_assert_no_error (error);
  return id;
}

static FzTokenRecord *
client_token (Fixture *fixture, const char *actor_id, char **out_text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  FzTokenSpec spec = { .kind = FZ_TOKEN_CLIENT,
                       .account_id = fixture->account_id,
                       .actor_id = actor_id };
  g_autofree char *id = fz_store_token_add (fixture->store, &spec, &text, &error);
  FzTokenRecord *record;

  g_assert_no_error (error);
  record = fz_store_token_verify (fixture->store, FZ_TOKEN_CLIENT, text, fz_store_now (), &error);
  g_assert_no_error (error);
  g_assert_nonnull (record);
  g_assert_cmpstr (record->id, ==, id);
  if (out_text != NULL)
    *out_text = g_steal_pointer (&text);
  return record;
}

/* Neither the token nor its secret is anywhere in the file. */
static void
test_token_is_stored_hashed (Fixture *fixture, gconstpointer data)
{
  g_autofree char *actor_id = add_actor (fixture, "sam");
  g_autofree char *text = NULL;
  FzTokenRecord *record = client_token (fixture, actor_id, &text);
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
    g_autofree char *path = g_strconcat (fixture->path, endings[i], NULL);
    g_autofree char *content = NULL;
    gsize length = 0;

    g_assert_true (g_file_get_contents (path, &content, &length, NULL));
    g_assert_null (memmem (content, length, body + 16, 32));
    g_assert_null (memmem (content, length, standard + 22, 40));
  }
}

static void
test_token_expiry (Fixture *fixture, gconstpointer data)
{
  g_autofree char *actor_id = add_actor (fixture, "sam");
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  int64_t now = fz_store_now ();
  FzTokenSpec spec = { .kind = FZ_TOKEN_CLIENT,
                       .account_id = fixture->account_id,
                       .actor_id = actor_id,
                       .expires_at = now + 100 };
  g_autofree char *id = fz_store_token_add (fixture->store, &spec, &text, &error);
  g_autoptr (FzTokenRecord) before = NULL;
  g_autoptr (FzTokenRecord) after = NULL;
  g_autofree char *stale = NULL;
  g_autofree char *stale_text = NULL;

  g_assert_nonnull (id);
  before = fz_store_token_verify (fixture->store, FZ_TOKEN_CLIENT, text, now + 99, &error);
  g_assert_nonnull (before);
  g_assert_cmpint (before->expires_at, ==, now + 100);
  after = fz_store_token_verify (fixture->store, FZ_TOKEN_CLIENT, text, now + 100, &error);
  g_assert_null (after);
  g_assert_no_error (error);

  spec.expires_at = now - 1;
  stale = fz_store_token_add (fixture->store, &spec, &stale_text, &error);
  g_assert_null (stale);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
}

static FzDeviceRecord *
connect_client (Fixture *fixture, const FzTokenRecord *token, const char *external_id)
{
  g_autoptr (GError) error = NULL;
  FzDeviceReport report = { .external_id = external_id, .name = "laptop", .public_key = "key" };
  FzDeviceRecord *device = fz_store_client_connect (fixture->store, token, &report, &error);

  g_assert_no_error (error);
  return device;
}

/* The same id under another actor is another device (§8.1). */
static void
test_devices (Fixture *fixture, gconstpointer data)
{
  g_autofree char *sam = add_actor (fixture, "sam");
  g_autofree char *kim = add_actor (fixture, "kim");
  g_autoptr (FzTokenRecord) sams = client_token (fixture, sam, NULL);
  g_autoptr (FzTokenRecord) kims = client_token (fixture, kim, NULL);
  g_autoptr (FzDeviceRecord) first = connect_client (fixture, sams, "one");
  g_autoptr (FzDeviceRecord) again = connect_client (fixture, sams, "one");
  g_autoptr (FzDeviceRecord) second = connect_client (fixture, sams, "two");
  g_autoptr (FzDeviceRecord) other = connect_client (fixture, kims, "one");

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
make_access (Fixture *fixture, Access *access)
{
  FzResourceSpec resource = { .name = "lab", .address = "10.0.0.0/8", .site_id = fixture->site_id };
  FzTokenSpec spec = { .kind = FZ_TOKEN_GATEWAY,
                       .account_id = fixture->account_id,
                       .site_id = fixture->site_id };
  FzDeviceReport report = { .external_id = "g", .name = "gateway", .public_key = "key" };
  g_autoptr (GError) error = NULL;
  g_autoptr (FzTokenRecord) gateway_token = NULL;
  g_autofree char *gateway_token_id = NULL;
  g_autofree char *text = NULL;

  access->actor_id = add_actor (fixture, "sam");
  access->group_id = fz_store_group_add (fixture->store, fixture->account_id, "staff", &error);
  g_assert_true (fz_store_member_add (fixture->store, access->group_id, access->actor_id, &error));
  access->resource_id =
      fz_store_resource_add (fixture->store, fixture->account_id, &resource, &error);
  access->policy_id = fz_store_policy_add (fixture->store,
                                           fixture->account_id,
                                           access->group_id,
                                           access->resource_id,
                                           NULL,
                                           NULL,
                                           &error);
  access->token = client_token (fixture, access->actor_id, NULL);
  access->client = connect_client (fixture, access->token, "c");
  gateway_token_id = fz_store_token_add (fixture->store, &spec, &text, &error);
  gateway_token =
      fz_store_token_verify (fixture->store, FZ_TOKEN_GATEWAY, text, fz_store_now (), &error);
  access->gateway = fz_store_gateway_connect (fixture->store, gateway_token, &report, &error);
  g_assert_no_error (error);
}

static char *
put_grant (Fixture *fixture, const Access *access, int64_t expires_at)
{
  g_autoptr (GPtrArray) entitlements =
      fz_store_entitlements (fixture->store, access->actor_id, NULL);
  const FzEntitlement *entitlement = g_ptr_array_index (entitlements, 0);
  g_autoptr (GError) error = NULL;
  FzGrantSpec spec = {
    .account_id = fixture->account_id,
    .policy_id = entitlement->policy_id,
    .resource_id = entitlement->resource.id,
    .client_id = access->client->id,
    .receiver_id = access->gateway->id,
    .token_id = access->token->id,
    .membership_id = entitlement->membership_id,
    .expires_at = expires_at,
  };
  char *id = fz_store_grant_put (fixture->store, &spec, &error);

  g_assert_no_error (error);
  return id;
}

static unsigned
count_revocations (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = fz_store_take_revocations (fixture->store, &error);

  g_assert_no_error (error);
  return list->len;
}

static void
test_grant_replaces (Fixture *fixture, gconstpointer data)
{
  g_auto (Access) access = { 0 };
  int64_t now = fz_store_now ();
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  g_autoptr (GPtrArray) grants = NULL;
  g_autoptr (GPtrArray) later = NULL;

  make_access (fixture, &access);
  first = put_grant (fixture, &access, now + 100);
  second = put_grant (fixture, &access, now + 50);
  grants = fz_store_grants_of_receiver (fixture->store, access.gateway->id, now, NULL);
  g_assert_cmpuint (grants->len, ==, 1);
  g_assert_cmpstr (((FzGrant *) g_ptr_array_index (grants, 0))->id, ==, second);
  g_assert_cmpstr (first, !=, second);
  g_assert_cmpuint (count_revocations (fixture), ==, 0);
  later = fz_store_grants_of_receiver (fixture->store, access.gateway->id, now + 50, NULL);
  g_assert_cmpuint (later->len, ==, 0);
}

/* Whatever ends a grant, one revocation says so. */
static void
test_every_end_leaves_a_revocation (Fixture *fixture, gconstpointer data)
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
      tear_down (fixture, NULL);
      set_up (fixture, NULL);
    }
    make_access (fixture, &access);
    grant = put_grant (fixture, &access, fz_store_now () + 100);
    ids[FZ_THING_POLICY] = access.policy_id;
    ids[FZ_THING_RESOURCE] = access.resource_id;
    ids[FZ_THING_GROUP] = access.group_id;
    ids[FZ_THING_TOKEN] = access.token->id;
    ids[FZ_THING_CLIENT] = access.client->id;
    ids[FZ_THING_GATEWAY] = access.gateway->id;
    ids[FZ_THING_ACTOR] = access.actor_id;
    ids[FZ_THING_SITE] = fixture->site_id;
    g_test_message ("%s", fz_thing_name (ends[i]));
    g_assert_true (
        fz_store_remove (fixture->store, ends[i], fixture->account_id, ids[ends[i]], &error));
    g_assert_no_error (error);
    g_assert_cmpuint (count_revocations (fixture), ==, 1);
    g_assert_cmpuint (count_revocations (fixture), ==, 0); /* taken once */
  }
}

static void
test_purge (Fixture *fixture, gconstpointer data)
{
  g_auto (Access) access = { 0 };
  int64_t now = fz_store_now ();
  g_autofree char *grant = NULL;
  g_autoptr (JsonArray) kept = NULL;
  g_autoptr (JsonArray) gone = NULL;

  make_access (fixture, &access);
  grant = put_grant (fixture, &access, now + 100);
  g_assert_true (fz_store_purge (fixture->store, now + 200, NULL));
  kept = fz_store_list (fixture->store, FZ_THING_GRANT, fixture->account_id, NULL, NULL);
  g_assert_cmpuint (json_array_get_length (kept), ==, 1);
  g_assert_true (fz_store_purge (fixture->store, now + 200 + 86400, NULL));
  gone = fz_store_list (fixture->store, FZ_THING_GRANT, fixture->account_id, NULL, NULL);
  g_assert_cmpuint (json_array_get_length (gone), ==, 0);
}

static void
test_entitlements (Fixture *fixture, gconstpointer data)
{
  g_auto (Access) access = { 0 };
  g_autoptr (GPtrArray) mine = NULL;
  g_autoptr (GPtrArray) disabled = NULL;
  g_autoptr (JsonNode) off = json_from_string ("{\"disabled\":true}", NULL);
  g_autofree char *stranger = NULL;
  g_autoptr (GPtrArray) none = NULL;

  make_access (fixture, &access);
  stranger = add_actor (fixture, "kim");
  mine = fz_store_entitlements (fixture->store, access.actor_id, NULL);
  g_assert_cmpuint (mine->len, ==, 1);
  g_assert_nonnull (((FzEntitlement *) g_ptr_array_index (mine, 0))->membership_id);
  none = fz_store_entitlements (fixture->store, stranger, NULL);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_true (
      fz_store_policy_update (fixture->store, access.policy_id, json_node_get_object (off), NULL));
  disabled = fz_store_entitlements (fixture->store, access.actor_id, NULL);
  g_assert_cmpuint (disabled->len, ==, 0);
}

/* -- trouble -- */

static void
test_half_a_change_is_none (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) changes =
      json_from_string ("{\"name\":\"New\",\"slug\":\"not a slug\"}", NULL);
  g_autoptr (FzAccount) account = NULL;

  g_assert_false (fz_store_account_update (
      fixture->store, fixture->account_id, json_node_get_object (changes), &error));
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
  account = fz_store_account_load (fixture->store, fixture->account_id, NULL);
  g_assert_cmpstr (account->name, ==, "Acme & Co");
}

static void
test_full (Fixture *fixture, gconstpointer data)
{
  FzDatabase *database = fz_store_database (fixture->store);
  g_autoptr (GError) error = NULL;
  g_autofree char *last = NULL;
  g_autofree char *site = NULL;

  /* a quota of what there is now, and a little */
  g_assert_true (fz_database_script (database, "PRAGMA max_page_count = 1", NULL));
  for (int i = 0; i < 5000 && error == NULL; i++) {
    g_autofree char *name = g_strdup_printf ("site number %d with a name that takes room", i);

    g_free (last);
    last = fz_store_site_add (fixture->store, fixture->account_id, name, &error);
  }
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE_FULL);
  g_assert_nonnull (strstr (error->message, "free some disk space"));
  g_clear_error (&error);

  g_assert_true (fz_database_script (database, "PRAGMA max_page_count = 100000", NULL));
  site = fz_store_site_add (fixture->store, fixture->account_id, "after", &error);
  g_assert_no_error (error);
}

static void
test_locked (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzDatabase) other = fz_database_open (fixture->path, &error);
  g_autofree char *site = NULL;
  g_autofree char *later = NULL;

  g_assert_true (
      fz_database_script (fz_store_database (fixture->store), "PRAGMA busy_timeout = 20", NULL));
  g_assert_true (fz_database_script (other, "BEGIN IMMEDIATE", &error));
  site = fz_store_site_add (fixture->store, fixture->account_id, "x", &error);
  g_assert_null (site);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE_BUSY);
  g_clear_error (&error);
  g_assert_true (fz_database_script (other, "ROLLBACK", &error));
  later = fz_store_site_add (fixture->store, fixture->account_id, "x", &error);
  g_assert_no_error (error);
}

static void
overwrite (const char *path, gsize offset, gsize length)
{
  g_autofree char *content = NULL;
  gsize size = 0;

  g_assert_true (g_file_get_contents (path, &content, &size, NULL));
  for (gsize i = offset; i < MIN (offset + length, size); i++)
    content[i] = (char) (i * 37);
  g_assert_true (g_file_set_contents (path, content, (gssize) size, NULL));
}

static void
test_corrupt (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzStore) store = NULL;

  g_clear_pointer (&fixture->store, fz_store_free);
  overwrite (fixture->path, 0, 200);
  store = fz_store_open (fixture->path, &fixture->rng, &error);
  g_assert_null (store);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE_CORRUPT);
  g_assert_nonnull (strstr (error->message, fixture->path));
}

/* Damage inside: whatever is asked, there is an answer and no crash. */
static void
test_corrupt_inside (Fixture *fixture, gconstpointer data)
{
  for (gsize page = 1; page < 12; page++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (FzStore) store = NULL;

    g_clear_pointer (&fixture->store, fz_store_free);
    tear_down (fixture, NULL);
    set_up (fixture, NULL);
    g_clear_pointer (&fixture->store, fz_store_free);
    overwrite (fixture->path, page * 4096, 4096);
    store = fz_store_open (fixture->path, &fixture->rng, &error);
    if (store == NULL) {
      g_assert_nonnull (error);
      continue;
    }
    for (FzThing thing = FZ_THING_ACCOUNT; thing <= FZ_THING_GRANT; thing++) {
      g_autoptr (GError) list_error = NULL;
      g_autoptr (JsonArray) list =
          fz_store_list (store, thing, fixture->account_id, NULL, &list_error);

      g_assert_true ((list == NULL) == (list_error != NULL));
    }
  }
}

static void
test_from_the_future (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzStore) store = NULL;

  g_assert_true (
      fz_database_script (fz_store_database (fixture->store), "PRAGMA user_version = 99", NULL));
  g_clear_pointer (&fixture->store, fz_store_free);
  store = fz_store_open (fixture->path, &fixture->rng, &error);
  g_assert_null (store);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_UNSUPPORTED);
}

/* A database of the first portals, before people could sign in. */
static void
test_from_the_past (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *actor_id = fz_store_actor_add (
      fixture->store, fixture->account_id, "account_user", "sam", "sam@acme.test", &error);
  const FzTokenSpec spec = { .kind = FZ_TOKEN_CLIENT,
                             .account_id = fixture->account_id,
                             .actor_id = actor_id };
  g_autofree char *text = NULL;
  g_autofree char *token_id = fz_store_token_add (fixture->store, &spec, &text, &error);
  g_autoptr (FzTokenRecord) token = NULL;
  g_autoptr (FzAccount) account = NULL;
  g_autoptr (FzCredential) credential = NULL;

  g_assert_no_error (error);
  g_assert_true (fz_database_script (fz_store_database (fixture->store),
                                     "DROP TABLE credential;"
                                     "ALTER TABLE account DROP COLUMN sign_in_lifetime_s;"
                                     "DROP INDEX token_actor;"
                                     "ALTER TABLE token DROP COLUMN made_by;"
                                     "PRAGMA user_version = 1",
                                     &error));
  g_assert_no_error (error);
  g_clear_pointer (&fixture->store, fz_store_free);

  fixture->store = fz_store_open (fixture->path, &fixture->rng, &error);
  g_assert_no_error (error);
  token = fz_store_token_verify (fixture->store, FZ_TOKEN_CLIENT, text, fz_store_now (), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (token->id, ==, token_id);
  account = fz_store_account_load (fixture->store, fixture->account_id, &error);
  g_assert_no_error (error);
  g_assert_cmpint (account->sign_in_lifetime_s, ==, 604800);
  credential = fz_store_credential_load (fixture->store, actor_id, &error);
  g_assert_no_error (error);
  g_assert_null (credential->password_hash);
}

static void
test_no_such_folder (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (fixture->folder, "missing", "portal.db", NULL);
  g_autoptr (FzStore) store = fz_store_open (path, &fixture->rng, &error);

  g_assert_null (store);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, path));
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  ADD ("/store/account", test_account);
  ADD ("/store/dns-settings", test_dns_settings);
  ADD ("/store/resource-addresses", test_resource_addresses);
  ADD ("/store/one-internet-resource", test_one_internet_resource);
  ADD ("/store/names", test_names);
  ADD ("/store/finding", test_finding);
  ADD ("/token/stored-hashed", test_token_is_stored_hashed);
  ADD ("/token/expiry", test_token_expiry);
  ADD ("/device/identity", test_devices);
  g_test_add_func ("/address/range", test_address_range);
  g_test_add_func ("/address/bounds", test_address_bounds);
  ADD ("/grant/replaces", test_grant_replaces);
  ADD ("/grant/every-end-leaves-a-revocation", test_every_end_leaves_a_revocation);
  ADD ("/grant/purge", test_purge);
  ADD ("/policy/entitlements", test_entitlements);
  ADD ("/trouble/half-a-change-is-none", test_half_a_change_is_none);
  ADD ("/trouble/full", test_full);
  ADD ("/trouble/locked", test_locked);
  ADD ("/trouble/corrupt", test_corrupt);
  ADD ("/trouble/corrupt-inside", test_corrupt_inside);
  ADD ("/trouble/from-the-future", test_from_the_future);
  ADD ("/trouble/from-the-past", test_from_the_past);
  ADD ("/trouble/no-such-folder", test_no_such_folder);
  return g_test_run ();
}

/* test-store.c: what the store accepts and refuses, and what is found in it by which name */

#include "src/crypto/fz-crypto.h"
#include "src/server/fz-json.h"
#include "src/server/fz-server-error.h"
#include "tests/unit/server/store-bed.h"

#include <sys/stat.h>

static void
test_account (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FzAccount) account = fz_store_account_load (bed->store, bed->account_id, &error);
  g_autoptr (JsonArray) groups =
      fz_store_list (bed->store, FZ_THING_GROUP, bed->account_id, NULL, &error);
  g_autofree char *twin = NULL;
  g_autofree char *bad = NULL;
  struct stat info;

  g_assert_no_error (error);
  g_assert_cmpstr (account->slug, ==, "acme___co");
  g_assert_cmpint (account->dns_mode, ==, FZ_DNS_SYSTEM);
  g_assert_cmpuint (json_array_get_length (groups), ==, 1);
  g_assert_cmpstr (
      fz_json_text (json_array_get_object_element (groups, 0), "name"), ==, FZ_GROUP_EVERYONE);
  g_assert_cmpint (stat (bed->path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);

  twin = fz_store_account_add (bed->store, "Other", "acme___co", &error);
  g_assert_null (twin);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_CONFLICT);
  g_clear_error (&error);
  bad = fz_store_account_add (bed->store, "Other", "with-hyphen", &error);
  g_assert_null (bad);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_INVALID);
}

static void
test_dns_settings (StoreBed *bed, gconstpointer data)
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
    g_assert_cmpint (fz_store_account_update (
                         bed->store, bed->account_id, json_node_get_object (changes), &error),
                     ==,
                     rows[i].is_fine);
    g_assert_true ((error == NULL) == rows[i].is_fine);
  }
}

static void
test_resource_addresses (StoreBed *bed, gconstpointer data)
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
      .name = name, .type = rows[i].type, .address = rows[i].address, .site_id = bed->site_id
    };
    g_autoptr (GError) error = NULL;
    g_autofree char *id = fz_store_resource_add (bed->store, bed->account_id, &spec, &error);
    g_autoptr (FzResourceRecord) resource = NULL;

    g_test_message ("%s", rows[i].address);
    g_assert_true ((id != NULL) == (rows[i].stored != NULL));
    g_assert_true ((id == NULL) == (error != NULL));
    if (id == NULL)
      continue;
    resource = fz_store_resource_load (bed->store, id, &error);
    g_assert_cmpstr (resource->address, ==, rows[i].stored);
    g_assert_cmpstr (resource->type, ==, rows[i].stored_type);
    g_assert_cmpstr (resource->site_name, ==, "berlin");
  }
}

static void
test_one_internet_resource (StoreBed *bed, gconstpointer data)
{
  FzResourceSpec spec = { .name = "Internet", .type = "internet", .site_id = bed->site_id };
  g_autoptr (GError) error = NULL;
  g_autofree char *first = fz_store_resource_add (bed->store, bed->account_id, &spec, &error);
  g_autofree char *second = NULL;

  g_assert_no_error (error);
  g_assert_nonnull (first);
  spec.name = "Internet 2";
  second = fz_store_resource_add (bed->store, bed->account_id, &spec, &error);
  g_assert_null (second);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_CONFLICT);
}

static void
test_names (StoreBed *bed, gconstpointer data)
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
    g_autofree char *id = fz_store_site_add (bed->store, bed->account_id, rows[i].name, &error);

    g_assert_true ((id != NULL) == rows[i].is_fine);
    g_assert_true ((error == NULL) == rows[i].is_fine);
  }
}

static void
test_finding (StoreBed *bed, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *by_name =
      fz_store_find (bed->store, FZ_THING_SITE, bed->account_id, "berlin", &error);
  g_autofree char *by_id =
      fz_store_find (bed->store, FZ_THING_SITE, bed->account_id, bed->site_id, &error);
  g_autofree char *nothing = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (by_name, ==, bed->site_id);
  g_assert_cmpstr (by_id, ==, bed->site_id);
  nothing = fz_store_find (bed->store, FZ_THING_SITE, bed->account_id, "%", &error);
  g_assert_null (nothing);
  g_assert_error (error, FZ_SERVER_ERROR, FZ_SERVER_ERROR_NOT_FOUND);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  STORE_BED_ADD ("/store/account", test_account);
  STORE_BED_ADD ("/store/dns-settings", test_dns_settings);
  STORE_BED_ADD ("/store/resource-addresses", test_resource_addresses);
  STORE_BED_ADD ("/store/one-internet-resource", test_one_internet_resource);
  STORE_BED_ADD ("/store/names", test_names);
  STORE_BED_ADD ("/store/finding", test_finding);
  return g_test_run ();
}

/* test-identity.c
 *
 * How a process introduces itself: URL, User-Agent, device id, token; with the
 * vectors of portal-protocol.md §15.
 */
#include "src/portal/fz-device-id.h"
#include "src/portal/fz-device-info.h"
#include "src/portal/fz-login-url.h"
#include "src/portal/fz-portal-error.h"
#include "src/portal/fz-token.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- URL -- */

static const struct {
  const char *api_url;
  const char *host; /* NULL: refused */
  const char *host_header;
  uint16_t port;
  bool uses_tls;
  const char *path;
} urls[] = {
  { "wss://api.example.net/", "api.example.net", "api.example.net", 443, true, "" },
  { "wss://api.example.net", "api.example.net", "api.example.net", 443, true, "" },
  { "https://api.example.net:8443/", "api.example.net", "api.example.net", 8443, true, "" },
  { "ws://api.example.net", "api.example.net", "api.example.net", 443, false, "" },
  { "ws://api.example.net:80/", "api.example.net", "api.example.net", 443, false, "" },
  { "http://api.example.net:80/", "api.example.net", "api.example.net", 443, false, "" },
  { "wss://api.example.net:80/", "api.example.net", "api.example.net", 80, true, "" },
  { "ws://10.0.0.2:8081/?a=b#c", "10.0.0.2", "10.0.0.2", 8081, false, "" },
  { "ws://[2001:db8::1]:8081/", "2001:db8::1", "[2001:db8::1]", 8081, false, "" },
  { "wss://h.example/base/", "h.example", "h.example", 443, true, "/base" },
  { "wss://h.example/a%20b/c", "h.example", "h.example", 443, true, "/a%20b/c" },
  { "ftp://api.example.net/", NULL, NULL, 0, false, NULL },
  { "api.example.net", NULL, NULL, 0, false, NULL },
  { "wss:///", NULL, NULL, 0, false, NULL },
  { "", NULL, NULL, 0, false, NULL },
};

static void
test_urls (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (urls); i++) {
    const FzLoginUrlConfig config = {
      .role = FZ_ROLE_CLIENT,
      .api_url = urls[i].api_url,
      .device_id = "x",
      .name = "n",
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (FzLoginUrl) url = fz_login_url_new (&config, &error);
    g_autofree char *target = NULL;

    if (urls[i].host == NULL) {
      g_assert_null (url);
      g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_URL);
      continue;
    }
    g_assert_no_error (error);
    target = g_strconcat (urls[i].path, "/client/v2/websocket?external_id=x&name=n", NULL);
    g_assert_cmpstr (url->host, ==, urls[i].host);
    g_assert_cmpstr (url->host_header, ==, urls[i].host_header);
    g_assert_cmpuint (url->port, ==, urls[i].port);
    g_assert_cmpint (url->uses_tls, ==, urls[i].uses_tls);
    g_assert_cmpstr (url->target, ==, target);
  }
}

static void
test_query (void)
{
  FzLoginUrlConfig config = {
    .role = FZ_ROLE_CLIENT,
    .api_url = "wss://api.example.net/",
    .device_id = "0b8e9c5e-7a34-4f54-9a1e-2f0d5b6c7d80",
    .name = "Sam's laptop & ünï",
    .device_serial = "S/N 1",
    .device_uuid = "u-1",
  };
  uint8_t key[FZ_KEY_SIZE];
  g_autoptr (FzLoginUrl) client = fz_login_url_new (&config, NULL);
  g_autoptr (FzLoginUrl) gateway = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  memset (key, 1, sizeof key);
  first = fz_login_url_dup_target (client, key);
  g_assert_cmpstr (first,
                   ==,
                   "/client/v2/websocket?external_id="
                   "26d264894d35c8a1034bb741ce0a0f3958ea706d76d9af2c079b503d612ee784"
                   "&name=Sam%27s+laptop+%26+%C3%BCn%C3%AF&device_serial=S%2FN+1&device_uuid=u-1"
                   "&public_key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE%3D");

  config.role = FZ_ROLE_GATEWAY;
  config.device_id = "gw.id-1_~*";
  gateway = fz_login_url_new (&config, NULL);
  second = fz_login_url_dup_target (gateway, key);
  g_assert_cmpstr (second,
                   ==,
                   "/gateway/v2/websocket?external_id=gw.id-1_%7E*"
                   "&name=Sam%27s+laptop+%26+%C3%BCn%C3%AF"
                   "&public_key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE%3D");
}

static void
test_long_name (void)
{
  g_autofree char *name = g_strnfill (300, 'x');
  const FzLoginUrlConfig config = {
    .role = FZ_ROLE_CLIENT,
    .api_url = "wss://h/",
    .device_id = "i",
    .name = name,
  };
  g_autoptr (FzLoginUrl) url = fz_login_url_new (&config, NULL);

  g_assert_cmpuint (strlen (strstr (url->target, "name=")), ==, strlen ("name=") + 255);
}

/* -- User-Agent -- */

static void
test_user_agent (void)
{
  static const struct {
    const char *os_release;
    const char *architecture;
    const char *kernel;
    const char *expected;
  } rows[] = {
    { "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\n",
      "x86_64",
      "6.1.0-27-amd64",
      "Debian/12.0.0 headless-client/1.5.12 (x86_64; 6.1.0-27-amd64)" },
    { "ID=ubuntu\nVERSION_ID='24.04'\n",
      "aarch64",
      NULL,
      "Ubuntu/24.4.0 headless-client/1.5.12 (aarch64)" },
    { "ID=arch\n", NULL, "6.9", "Arch Linux/Rolling Release headless-client/1.5.12 (6.9)" },
    { "ID=nonesuch\nVERSION_ID=1.2.3\n", NULL, NULL, "Linux/1.2.3 headless-client/1.5.12" },
    { "ID=nixos\nVERSION_ID=\"24.05.2024\xc3\xbc\"\n",
      NULL,
      NULL,
      "NixOS/24.05.2024 headless-client/1.5.12" },
    { NULL, NULL, NULL, "Linux/Unknown headless-client/1.5.12" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *agent = fz_user_agent_new (
        "headless-client/1.5.12", rows[i].os_release, rows[i].architecture, rows[i].kernel);

    g_assert_cmpstr (agent, ==, rows[i].expected);
  }
}

static void
test_user_agent_of_this_system (void)
{
  g_autofree char *agent = fz_user_agent_for_system ("gateway/1.6.1");

  g_assert_true (
      g_regex_match_simple ("^[^/]+/[^/]+ gateway/1\\.6\\.1 \\([^;]+; [^)]+\\)$", agent, 0, 0));
}

/* -- files -- */

typedef struct {
  char *directory;
} Folder;

static void
set_up (Folder *f, gconstpointer data)
{
  f->directory = g_dir_make_tmp ("fz-portal-XXXXXX", NULL);
  g_assert_nonnull (f->directory);
}

static void
tear_down (Folder *f, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", f->directory);

  g_assert_cmpint (system (command), ==, 0);
  g_free (f->directory);
}

static char *
put_file (Folder *f, const char *name, const char *text, mode_t mode)
{
  char *path = g_build_filename (f->directory, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_assert_cmpint (chmod (path, mode), ==, 0);
  return path;
}

static void
test_device_info (Folder *f, gconstpointer data)
{
  g_autofree char *serial = put_file (f, "product_serial", "PF0XYZ\n", 0600);
  g_autofree char *uuid = put_file (f, "product_uuid", " 4c4c4544-0042 \n", 0600);
  g_auto (FzDeviceInfo) info = { 0 };

  fz_device_info_read (f->directory, &info);
  g_assert_cmpstr (info.serial, ==, "PF0XYZ");
  g_assert_cmpstr (info.uuid, ==, "4c4c4544-0042");
  fz_device_info_clear (&info);

  g_assert_true (g_file_set_contents (serial, "123456789\n", -1, NULL));
  g_assert_cmpint (g_unlink (uuid), ==, 0);
  fz_device_info_read (f->directory, &info);
  g_assert_null (info.serial);
  g_assert_null (info.uuid);
}

/* -- device id -- */

#define MACHINE_ID           "0123456789abcdef0123456789abcdef\n"
#define UPSTREAM_CLIENT_KEY  "e1e465ce763e4759945c650ac334501f"
#define UPSTREAM_GATEWAY_KEY "753b38f9f96947ef8083802d5909a372"

static void
test_derived_ids (void)
{
  g_autofree char *client =
      fz_device_id_derive (UPSTREAM_CLIENT_KEY, MACHINE_ID, strlen (MACHINE_ID));
  g_autofree char *gateway =
      fz_device_id_derive (UPSTREAM_GATEWAY_KEY, MACHINE_ID, strlen (MACHINE_ID));

  g_assert_cmpstr (client, ==, "25746dc26c1cc478780348a72316d3f4c2869a29b2a4836b38bc2ad3c3d69e8c");
  g_assert_cmpstr (gateway, ==, "eeefe5d1cb3807dfc3ae24794878ec3147027390d839d1d718d8e42bcfde3336");
}

static void
test_external_ids (void)
{
  g_autofree char *hashed = fz_device_id_to_external ("0b8e9c5e-7a34-4f54-9a1e-2f0d5b6c7d80");
  g_autofree char *verbatim = fz_device_id_to_external ("my gateway");

  g_assert_cmpstr (hashed, ==, "26d264894d35c8a1034bb741ce0a0f3958ea706d76d9af2c079b503d612ee784");
  g_assert_cmpstr (verbatim, ==, "my gateway");
}

static void
test_device_id_order (Folder *f, gconstpointer data)
{
  g_autofree char *machine = put_file (f, "machine-id", MACHINE_ID, 0644);
  g_autofree char *path = g_build_filename (f->directory, "deep", "config", "id.json", NULL);
  g_autofree char *nowhere = g_build_filename (f->directory, "nowhere", NULL);
  g_autofree char *derived = NULL, *made = NULL, *found = NULL, *kept = NULL;
  struct stat info;

  derived = fz_device_id_get (path, UPSTREAM_CLIENT_KEY, machine, NULL);
  g_assert_cmpstr (derived, ==, "25746dc26c1cc478780348a72316d3f4c2869a29b2a4836b38bc2ad3c3d69e8c");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS)); /* a derived id is not saved */

  made = fz_device_id_get (path, UPSTREAM_CLIENT_KEY, nowhere, NULL);
  g_assert_cmpuint (strlen (made), ==, 64);
  g_assert_cmpint (stat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 0777, ==, 0640);
  found = fz_device_id_get (path, UPSTREAM_CLIENT_KEY, nowhere, NULL);
  g_assert_cmpstr (found, ==, made);
  kept = fz_device_id_get (path, UPSTREAM_CLIENT_KEY, machine, NULL); /* the file comes first */
  g_assert_cmpstr (kept, ==, made);
}

static void
test_device_id_damaged_file (Folder *f, gconstpointer data)
{
  static const char *const texts[] = { "", "{", "{\"id\":17}", "{\"id\":\"\"}", "[]" };
  g_autofree char *nowhere = g_build_filename (f->directory, "nowhere", NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *path = put_file (f, "id.json", texts[i], 0640);
    g_autofree char *made = fz_device_id_get (path, "key", nowhere, NULL);
    g_autofree char *again = fz_device_id_get (path, "key", nowhere, NULL);

    g_assert_cmpuint (strlen (made), ==, 64);
    g_assert_cmpstr (made, ==, again);
  }
}

static void
test_device_id_impossible (Folder *f, gconstpointer data)
{
  g_autofree char *in_the_way = put_file (f, "file", "", 0600);
  g_autofree char *path = g_build_filename (in_the_way, "id.json", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_device_id_get (path, "key", "/nonexistent", &error));
  g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_DEVICE_ID);
  g_assert_nonnull (strstr (error->message, "FIREZONE_ID"));
}

/* -- token -- */

static void
test_token_text (void)
{
  g_autofree char *at_maximum = g_strnfill (FZ_TOKEN_BYTES_MAX, 'x');
  g_autofree char *too_long = g_strnfill (FZ_TOKEN_BYTES_MAX + 1, 'x');
  const struct {
    const char *text;
    const char *expected; /* NULL: refused */
  } rows[] = {
    { ".SFMy.a.b", ".SFMy.a.b" },
    { " n.SF\tMy\n.a.\r\nb ", "n.SFMy.a.b" },
    { "", NULL },
    { " \n ", NULL },
    { "with-\xc3\xbcmlaut", NULL },
    { "bell\x07", NULL },
    { at_maximum, at_maximum },
    { too_long, NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (FzToken) token = fz_token_new (rows[i].text, &error);

    g_assert_cmpstr (token != NULL ? fz_token_get_text (token) : NULL, ==, rows[i].expected);
    if (token == NULL)
      g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_TOKEN);
  }
}

static void
test_token_from_environment (void)
{
  g_autoptr (FzToken) token = NULL;
  g_autoptr (GError) error = NULL;
  const char *in_place;

  g_assert_null (fz_token_steal_from_environment ("FZ_TEST_TOKEN", &error));
  g_assert_no_error (error);

  g_setenv ("FZ_TEST_TOKEN", "secret", TRUE);
  in_place = getenv ("FZ_TEST_TOKEN");
  token = fz_token_steal_from_environment ("FZ_TEST_TOKEN", &error);
  g_assert_cmpstr (fz_token_get_text (token), ==, "secret");
  g_assert_null (getenv ("FZ_TEST_TOKEN"));
  g_assert_cmpstr (in_place, ==, ""); /* wiped where /proc shows it */

  g_setenv ("FZ_TEST_TOKEN", "", TRUE);
  g_assert_null (fz_token_steal_from_environment ("FZ_TEST_TOKEN", &error));
  g_assert_no_error (error);
  g_assert_null (getenv ("FZ_TEST_TOKEN"));
}

static void
test_token_file (Folder *f, gconstpointer data)
{
  static const struct {
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const char *problem; /* NULL: accepted */
  } rows[] = {
    { 0400, 0, 0, NULL },           { 0600, 0, 0, NULL },           { 0640, 0, 0, "0400 or 0600" },
    { 0604, 0, 0, "0400 or 0600" }, { 0700, 0, 0, "0400 or 0600" }, { 0600, 1, 0, "user root" },
    { 0600, 0, 1, "group root" },
  };

  if (geteuid () != 0) {
    g_test_skip ("only root can give files away");
    return;
  }
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = put_file (f, "token", " .SFMy.a.b\n", rows[i].mode);
    g_autoptr (GError) error = NULL;
    g_autoptr (FzToken) token = NULL;

    if (chown (path, rows[i].uid, rows[i].gid) != 0) {
      g_test_skip ("no such user in this namespace");
      return;
    }
    token = fz_token_read_file (path, &error);
    g_assert_cmpint (token != NULL, ==, rows[i].problem == NULL);
    if (rows[i].problem != NULL) {
      g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_TOKEN);
      g_assert_nonnull (strstr (error->message, rows[i].problem));
      g_assert_nonnull (strstr (error->message, path));
      g_assert_null (strstr (error->message, "SFMy"));
    } else {
      g_assert_cmpstr (fz_token_get_text (token), ==, ".SFMy.a.b");
    }
  }
}

static void
test_token_file_missing (Folder *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "none", NULL);
  g_autoptr (GError) first = NULL, second = NULL;

  g_assert_null (fz_token_read_file (path, &first));
  g_assert_error (first, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_null (fz_token_read_file (f->directory, &second));
  g_assert_error (second, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_TOKEN);
}

static void
test_token_file_written (Folder *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "etc", "deep", "token", NULL);
  g_autoptr (FzToken) token = fz_token_new (".SFMy.a.b", NULL);
  g_autoptr (FzToken) other = fz_token_new (".other", NULL);
  g_autoptr (FzToken) back = NULL;
  g_autoptr (GError) error = NULL;
  struct stat info;

  if (geteuid () != 0) {
    g_test_skip ("the file has to belong to root");
    return;
  }
  g_assert_true (fz_token_write_file (other, path, &error));
  g_assert_true (fz_token_write_file (token, path, &error));
  g_assert_no_error (error);
  g_assert_cmpint (stat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0600);
  back = fz_token_read_file (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fz_token_get_text (back), ==, ".SFMy.a.b");
}

static void
test_token_credential (Folder *f, gconstpointer data)
{
  g_autofree char *path G_GNUC_UNUSED = put_file (f, "FIREZONE_TOKEN", "secret\n", 0440);
  g_autoptr (GError) error = NULL;
  g_autoptr (FzToken) token = NULL;

  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_assert_null (fz_token_read_credential ("FIREZONE_TOKEN", &error));
  g_assert_no_error (error);

  g_setenv ("CREDENTIALS_DIRECTORY", f->directory, TRUE);
  g_assert_null (fz_token_read_credential ("OTHER", &error));
  g_assert_no_error (error);
  token = fz_token_read_credential ("FIREZONE_TOKEN", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fz_token_get_text (token), ==, "secret");
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_unsetenv ("CREDENTIALS_DIRECTORY");
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*func) (Folder *f, gconstpointer data);
  } with_folder[] = {
    { "/identity/device-info", test_device_info },
    { "/identity/device-id/order", test_device_id_order },
    { "/identity/device-id/damaged-file", test_device_id_damaged_file },
    { "/identity/device-id/impossible", test_device_id_impossible },
    { "/identity/token/file", test_token_file },
    { "/identity/token/file-missing", test_token_file_missing },
    { "/identity/token/file-written", test_token_file_written },
    { "/identity/token/credential", test_token_credential },
  };

  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/identity/url/forms", test_urls);
  g_test_add_func ("/identity/url/query", test_query);
  g_test_add_func ("/identity/url/long-name", test_long_name);
  g_test_add_func ("/identity/user-agent/forms", test_user_agent);
  g_test_add_func ("/identity/user-agent/this-system", test_user_agent_of_this_system);
  g_test_add_func ("/identity/device-id/derived", test_derived_ids);
  g_test_add_func ("/identity/device-id/external", test_external_ids);
  g_test_add_func ("/identity/token/text", test_token_text);
  g_test_add_func ("/identity/token/environment", test_token_from_environment);
  for (size_t i = 0; i < G_N_ELEMENTS (with_folder); i++)
    g_test_add (with_folder[i].path, Folder, NULL, set_up, with_folder[i].func, tear_down);
  return g_test_run ();
}

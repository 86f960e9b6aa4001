/* test-cli.c
 *
 * The programs' command lines as scripts see them: exit status, what is said
 * where, what happens to a token (linux-apps.md §4, §5). Nothing here needs rights or a network.
 */
#include "src/headless/fz-sign-in.h"
#include "src/portal/fz-portal-error.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET ".SFMy.very.secret"

typedef struct {
  char *folder; /* for token files and logs */
} Bench;

typedef struct {
  int status;
  char *out;
  char *err;
} Outcome;

static void
clear_outcome (Outcome *outcome)
{
  g_free (outcome->out);
  g_free (outcome->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, clear_outcome)

static void
set_up (Bench *b, gconstpointer data)
{
  b->folder = g_dir_make_tmp ("fz-cli-XXXXXX", NULL);
}

static void
tear_down (Bench *b, gconstpointer data)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", b->folder);

  g_assert_cmpint (system (command), ==, 0);
  g_free (b->folder);
}

/* Runs the program named by @variable in a clean environment: @environment is "A=b C=d", @input
 * goes to standard input, "FOLDER" in arguments and environment stands for the test's own. */
static Outcome
run (Bench *b,
     const char *variable,
     const char *arguments,
     const char *environment,
     const char *input)
{
  g_autofree char *line =
      g_strdup_printf ("printf '%%s' '%s' | env -i FIREZONE_ID=test PATH=/usr/bin:/bin %s %s %s",
                       input,
                       environment,
                       g_getenv (variable),
                       arguments);
  g_autoptr (GString) command = g_string_new (line);
  char *argv[] = { (char *) "/bin/bash", (char *) "-o", (char *) "pipefail",
                   (char *) "-c",        NULL,          NULL };
  g_autoptr (GError) error = NULL;
  Outcome out = { 0 };
  int wait_status = 0;

  g_string_replace (command, "FOLDER", b->folder, 0);
  argv[4] = command->str;
  g_spawn_sync (
      NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out.out, &out.err, &wait_status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (wait_status));
  out.status = WEXITSTATUS (wait_status);
  return out;
}

static const struct {
  const char *name;
  const char *program;
  const char *arguments;
  const char *environment;
  int status;
  const char *says; /* on either stream */
} rows[] = {
  { "help", "FZ_HEADLESS", "--help", "", 0, "sign-in" },
  { "version", "FZ_HEADLESS", "--version", "", 0, "headless-client/1." },
  { "unknown-option", "FZ_HEADLESS", "--frobnicate", "", 2, "--frobnicate" },
  { "unknown-command", "FZ_HEADLESS", "dance", "", 2, "dance" },
  { "two-commands", "FZ_HEADLESS", "sign-in sign-out", "", 2, "sign-out" },
  { "force-alone", "FZ_HEADLESS", "--force", "", 2, "sign-out" },
  { "bad-duration", "FZ_HEADLESS", "-m soon", "", 2, "soon" },
  { "bad-duration-variable", "FZ_HEADLESS", "", "MAX_PARTITION_TIME=soon", 2, "soon" },
  { "bad-dns-control", "FZ_HEADLESS", "--dns-control telepathy", "", 2, "telepathy" },
  { "bad-log-format", "FZ_HEADLESS", "--check --log-format xml", "FIREZONE_TOKEN=x", 2, "xml" },
  { "bad-log-filter", "FZ_HEADLESS", "--check", "FIREZONE_TOKEN=x RUST_LOG==,=", 1, "=,=" },
  { "no-token", "FZ_HEADLESS", "--token-path FOLDER/none", "", 1, "FIREZONE_TOKEN" },
  { "no-token-names-file", "FZ_HEADLESS", "", "FIREZONE_TOKEN_PATH=FOLDER/none", 1, "/none" },
  { "check", "FZ_HEADLESS", "--check", "FIREZONE_TOKEN=x", 0, "check passed" },
  { "no-effect", "FZ_HEADLESS", "--check --flow-logs", "FIREZONE_TOKEN=x", 0, "does nothing" },
  { "check-standalone",
    "FZ_HEADLESS",
    "standalone --check",
    "FIREZONE_TOKEN=x",
    0,
    "check passed" },
  { "check-with-everything",
    "FZ_HEADLESS",
    "--check --dns-control disabled -l FOLDER/logs -m 5m -u wss://h/ --firezone-name n -i id "
    "--activate-internet-resource --flow-logs --no-telemetry --metrics stdout "
    "--otlp-grpc-endpoint h:1 --exit --token-path /nowhere",
    "FIREZONE_TOKEN=x",
    0,
    "check passed" },
  { "empty-variables-are-unset",
    "FZ_HEADLESS",
    "--check",
    "FIREZONE_TOKEN=x FIREZONE_API_URL= LOG_DIR= MAX_PARTITION_TIME=",
    0,
    "check passed" },
  { "gateway-help", "FZ_GATEWAY", "--help", "", 0, "FIREZONE_TOKEN" },
  { "gateway-version", "FZ_GATEWAY", "-V", "", 0, "gateway/1." },
  { "gateway-unknown-option", "FZ_GATEWAY", "--frobnicate", "", 2, "--frobnicate" },
  { "gateway-two-tokens", "FZ_GATEWAY", "one two", "", 2, "two" },
  { "gateway-no-token", "FZ_GATEWAY", "", "", 1, "FIREZONE_TOKEN" },
  { "gateway-empty-token", "FZ_GATEWAY", "", "FIREZONE_TOKEN=", 1, "FIREZONE_TOKEN" },
  { "gateway-bad-duration", "FZ_GATEWAY", "", "FIREZONE_MAX_PARTITION_TIME=1", 2, "30d" },
  { "gateway-no-credential",
    "FZ_GATEWAY",
    "",
    "CREDENTIALS_DIRECTORY=FOLDER",
    1,
    "FIREZONE_TOKEN" },
};

static void
test_row (Bench *b, gconstpointer data)
{
  size_t i = GPOINTER_TO_SIZE (data);
  g_auto (Outcome) outcome = run (b, rows[i].program, rows[i].arguments, rows[i].environment, "");
  g_autofree char *both = g_strconcat (outcome.out, outcome.err, NULL);

  if (outcome.status != rows[i].status || strstr (both, rows[i].says) == NULL)
    g_error ("status %d, said: %s", outcome.status, both);
}

static void
test_token_option_refused (Bench *b, gconstpointer data)
{
  static const char *const arguments[] = { "--token " SECRET, "--token=" SECRET };

  for (size_t i = 0; i < G_N_ELEMENTS (arguments); i++) {
    g_auto (Outcome) outcome = run (b, "FZ_HEADLESS", arguments[i], "", "");

    g_assert_cmpint (outcome.status, ==, 2);
    g_assert_nonnull (strstr (outcome.err, "--token"));
    g_assert_null (strstr (outcome.err, "secret"));
  }
}

static void
test_every_line_is_json (Bench *b, gconstpointer data)
{
  g_auto (Outcome) outcome = run (b, "FZ_HEADLESS", "--check", "FIREZONE_TOKEN=x", "");
  g_auto (GStrv) lines = g_strsplit (outcome.out, "\n", 0);

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpuint (g_strv_length (lines), >=, 3);
  for (char **line = lines; **line != '\0'; line++) {
    g_assert_true (g_str_has_prefix (*line, "{\"time\":\"20"));
    g_assert_nonnull (strstr (*line, "\"severity\":\"INFO\""));
    g_assert_true (g_str_has_suffix (*line, "}"));
  }
}

static void
test_log_folder (Bench *b, gconstpointer data)
{
  g_auto (Outcome) outcome =
      run (b, "FZ_HEADLESS", "--check", "FIREZONE_TOKEN=" SECRET " LOG_DIR=FOLDER/logs", "");
  g_autofree char *path =
      g_build_filename (b->folder, "logs", "firezone-headless-client.latest", NULL);
  g_autofree char *text = NULL;

  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "check passed"));
  g_assert_null (strstr (text, "secret"));
}

static void
test_open_token_file (Bench *b, gconstpointer data)
{
  g_autofree char *path = g_build_filename (b->folder, "token", NULL);
  g_auto (Outcome) outcome = { 0 };

  g_assert_true (g_file_set_contents (path, SECRET, -1, NULL));
  g_assert_cmpint (chmod (path, 0644), ==, 0);
  outcome = run (b, "FZ_HEADLESS", "--check --token-path FOLDER/token", "", "");
  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, path));
  g_assert_null (strstr (outcome.err, "secret"));
}

static void
test_sign_in_and_out (Bench *b, gconstpointer data)
{
  g_autofree char *path = g_build_filename (b->folder, "etc", "token", NULL);
  g_auto (Outcome) in = { 0 }, check = { 0 }, no = { 0 }, yes = { 0 }, again = { 0 };
  struct stat info;

  if (geteuid () != 0) {
    g_test_skip ("a token file belongs to root");
    return;
  }

  in = run (b,
            "FZ_HEADLESS",
            "--token-path FOLDER/etc/token sign-in --account-slug acme",
            "",
            "  " SECRET " \n");
  g_assert_cmpint (in.status, ==, 0);
  g_assert_nonnull (strstr (in.out, "https://app.firezone.dev/acme?as=headless-client"));
  g_assert_nonnull (strstr (in.out, path));
  g_assert_null (strstr (in.out, "secret"));
  g_assert_cmpint (stat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0600);

  check = run (b, "FZ_HEADLESS", "--check", "FIREZONE_TOKEN_PATH=FOLDER/etc/token", "");
  g_assert_cmpint (check.status, ==, 0);

  no = run (b, "FZ_HEADLESS", "--token-path FOLDER/etc/token sign-out", "", "n\n");
  g_assert_cmpint (no.status, ==, 0);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  yes = run (b, "FZ_HEADLESS", "--token-path FOLDER/etc/token sign-out", "", "YES\n");
  g_assert_cmpint (yes.status, ==, 0);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  again = run (b, "FZ_HEADLESS", "--token-path FOLDER/etc/token sign-out -f", "", "");
  g_assert_cmpint (again.status, ==, 0);
  g_assert_nonnull (strstr (again.out, "Not signed in"));
}

static void
test_sign_in_with_nothing (Bench *b, gconstpointer data)
{
  g_auto (Outcome) outcome = run (b, "FZ_HEADLESS", "--token-path FOLDER/token sign-in", "", "\n");
  g_autofree char *path = g_build_filename (b->folder, "token", NULL);

  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "empty"));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_sign_in_urls (void)
{
  static const struct {
    const char *base;
    const char *slug;
    const char *expected; /* NULL: refused */
  } urls[] = {
    { "https://app.firezone.dev", NULL, "https://app.firezone.dev/?as=headless-client" },
    { "https://app.firezone.dev/", "acme", "https://app.firezone.dev/acme?as=headless-client" },
    { "http://localhost:8080/?x=y", "a b", "http://localhost:8080/a%20b?as=headless-client" },
    { "nonsense", NULL, NULL },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (urls); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *url = fz_sign_in_build_url (urls[i].base, urls[i].slug, &error);

    g_assert_cmpstr (url, ==, urls[i].expected);
    if (url == NULL)
      g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_BAD_URL);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strdup_printf ("/cli/%s", rows[i].name);

    g_test_add (path, Bench, GSIZE_TO_POINTER (i), set_up, test_row, tear_down);
  }
  g_test_add ("/cli/token-option", Bench, NULL, set_up, test_token_option_refused, tear_down);
  g_test_add ("/cli/log/json", Bench, NULL, set_up, test_every_line_is_json, tear_down);
  g_test_add ("/cli/log/folder", Bench, NULL, set_up, test_log_folder, tear_down);
  g_test_add ("/cli/token-file-open", Bench, NULL, set_up, test_open_token_file, tear_down);
  g_test_add ("/cli/sign-in-and-out", Bench, NULL, set_up, test_sign_in_and_out, tear_down);
  g_test_add ("/cli/sign-in-empty", Bench, NULL, set_up, test_sign_in_with_nothing, tear_down);
  g_test_add_func ("/cli/sign-in-urls", test_sign_in_urls);
  return g_test_run ();
}

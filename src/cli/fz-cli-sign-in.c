/* fz-cli-sign-in.c: firezone sign-in
 *
 * The sign-in of portal-protocol.md §2.4: the portal's page shows a token, which comes here by the
 * terminal without echo, or by standard input from a program. It goes to the service as a sealed
 * memfd; in between it is in locked memory alone, and it is wiped on every path. It is never an
 * argument, and nothing is kept on disk.
 */
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-settings.h"
#include "src/cli/fz-cli-verbs.h"
#include "src/ipc/fz-ipc-credential.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#define DEFAULT_AUTH_URL "https://app.firezone.dev"

static char token[FZ_IPC_CREDENTIAL_BYTES_MAX + 2]; /* locked while it holds anything */
static struct termios shown; /* the terminal before it was told not to show */

/* Interrupted while nothing is shown: give the shell a terminal that works. */
static void
show_and_leave (int number)
{
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &shown);
  explicit_bzero (token, sizeof token);
  _exit (128 + number);
}

static void
wipe (void)
{
  explicit_bzero (token, sizeof token);
  munlock (token, sizeof token);
}

/* One line of standard input, byte by byte: a buffer of stdio would keep a copy. White space around
 * it is what copying from a page brings along. False if it is too long. */
static bool
read_line (void)
{
  size_t n = 0;
  ssize_t got;
  char c;

  while ((got = read (STDIN_FILENO, &c, 1)) != 0) {
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0 || c == '\n')
      break;
    if (n == 0 && g_ascii_isspace (c))
      continue;
    if (n >= sizeof token - 1)
      return false;
    token[n++] = c;
  }
  while (n > 0 && g_ascii_isspace (token[n - 1]))
    token[--n] = '\0';
  token[n] = '\0';
  return true;
}

static bool
read_without_echo (void)
{
  struct termios hidden;
  bool is_fine;

  if (isatty (STDIN_FILENO) != 1 || tcgetattr (STDIN_FILENO, &shown) != 0)
    return read_line ();
  signal (SIGINT, show_and_leave);
  signal (SIGTERM, show_and_leave);
  hidden = shown;
  hidden.c_lflag &= ~(tcflag_t) ECHO;
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &hidden);
  is_fine = read_line ();
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &shown);
  signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  putchar ('\n');
  return is_fine;
}

/* {base}[/{slug}]?as=headless-client; NULL after words. */
static char *
build_url (const FzCli *cli, const char *base_text, const char *slug)
{
  g_autoptr (GUri) base = g_uri_parse (base_text, G_URI_FLAGS_ENCODED, NULL);
  g_autofree char *escaped =
      slug != NULL && *slug != '\0' ? g_uri_escape_string (slug, NULL, FALSE) : NULL;
  g_autofree char *path = NULL;
  g_autoptr (GUri) url = NULL;
  const char *scheme = base != NULL ? g_uri_get_scheme (base) : "";

  if ((strcmp (scheme, "https") != 0 && strcmp (scheme, "http") != 0) ||
      g_uri_get_host (base) == NULL || *g_uri_get_host (base) == '\0') {
    fz_cli_usage (cli,
                  _ ("\"%s\" is no address of a sign-in page; it looks like %s"),
                  base_text,
                  DEFAULT_AUTH_URL);
    return NULL;
  }
  path = escaped != NULL ? g_strconcat ("/", escaped, NULL)
                         : g_strdup (*g_uri_get_path (base) != '\0' ? g_uri_get_path (base) : "/");
  url = g_uri_build (G_URI_FLAGS_ENCODED,
                     scheme,
                     NULL,
                     g_uri_get_host (base),
                     g_uri_get_port (base),
                     path,
                     "as=headless-client",
                     NULL);
  return g_uri_to_string (url);
}

/* By the desktop, where there is one. */
static bool
open_browser (const char *url)
{
  if (g_getenv ("DISPLAY") == NULL && g_getenv ("WAYLAND_DISPLAY") == NULL)
    return false;
  return g_app_info_launch_default_for_uri (url, NULL, NULL);
}

static void
ask (const FzCli *cli, const char *url)
{
  bool is_open;

  if (isatty (STDIN_FILENO) != 1)
    return; /* a program sends the token */
  is_open = !fz_cli_has (cli, "no-browser") && open_browser (url);
  if (is_open)
    printf (
        _ ("1. Sign in in the browser window that opens now. If none does, open:\n\n     %s\n\n"),
        url);
  else
    printf (_ ("1. Open this address in a browser, here or elsewhere, and sign in:\n\n     %s\n\n"),
            url);
  fputs (_ ("2. Copy the token that the page shows.\n"
            "3. Paste it here (it is not shown) and press Enter: "),
         stdout);
  fflush (stdout);
}

static char *
choose (FzCli *cli, const char *option, const char *setting, const char *fallback)
{
  char *chosen = fz_cli_get (cli, option) != NULL ? g_strdup (fz_cli_get (cli, option))
                                                  : fz_cli_settings_get_chosen (cli, setting);

  if (chosen != NULL && *chosen == '\0')
    g_clear_pointer (&chosen, g_free);
  return chosen != NULL ? chosen : g_strdup (fallback);
}

static GVariant *
make_options (const char *api_url, const char *account)
{
  GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (api_url != NULL)
    g_variant_builder_add (&options, "{sv}", "api-url", g_variant_new_string (api_url));
  if (account != NULL)
    g_variant_builder_add (&options, "{sv}", "account", g_variant_new_string (account));
  return g_variant_new ("(ha{sv})", 0, &options);
}

static int
hand_over (FzCli *cli, const char *api_url, const char *account)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  int fd = fz_ipc_credential_seal (token, &error);

  if (fd < 0) {
    fprintf (stderr,
             _ ("firezone: this is not a token: %s. Copy it as a whole from the sign-in page.\n"),
             error->message);
    return FZ_CLI_ERROR;
  }
  reply = fz_cli_service_call (
      cli, "Manager.SetCredential", make_options (api_url, account), fd, -1, NULL, &error);
  close (fd);
  return reply != NULL ? FZ_CLI_OK : fz_cli_service_fail (error);
}

static int
connect_now (FzCli *cli)
{
  GVariant *options = g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);

  return fz_cli_service_do (cli, "Manager.Connect", g_variant_new ("(@a{sv})", options));
}

static int
sign_in (FzCli *cli)
{
  g_autofree char *auth_url = choose (cli, "auth-url", "auth-url", DEFAULT_AUTH_URL);
  g_autofree char *api_url = choose (cli, "api-url", "api-url", NULL);
  g_autofree char *account = choose (cli, "account", "account-slug", NULL);
  g_autofree char *url = build_url (cli, auth_url, account);
  int status;

  if (url == NULL)
    return FZ_CLI_USAGE;
  ask (cli, url);
  if (!read_without_echo ()) {
    fputs (_ ("firezone: this is not a token: it is too long.\n"), stderr);
    return FZ_CLI_ERROR;
  }
  status = hand_over (cli, api_url, account);
  wipe ();
  if (status == FZ_CLI_OK && !fz_cli_has (cli, "no-connect"))
    status = connect_now (cli);
  if (status == FZ_CLI_OK && isatty (STDOUT_FILENO) == 1)
    puts (fz_cli_has (cli, "no-connect")
              ? _ ("Signed in. Connect with: firezone connect")
              : _ ("Signed in, and connecting. See how it goes: firezone status"));
  return status;
}

int
fz_cli_sign_in (FzCli *cli)
{
  const struct rlimit none = { 0, 0 };
  int status = fz_cli_service_open (cli);

  if (status != FZ_CLI_OK)
    return status;
  setrlimit (RLIMIT_CORE, &none); /* a crash leaves no token on disk */
  (void) mlock (token, sizeof token);
  status = sign_in (cli);
  wipe ();
  return status;
}

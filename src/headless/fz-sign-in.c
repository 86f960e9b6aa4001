#include "src/headless/fz-sign-in.h"

#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-portal-error.h"
#include "src/portal/fz-token.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LINE_BYTES_MAX (FZ_TOKEN_BYTES_MAX + 2u)

char *
fz_sign_in_build_url (const char *auth_base_url, const char *account_slug, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GUri) base = g_uri_parse (auth_base_url, G_URI_FLAGS_ENCODED, &local);
  g_autoptr (GUri) url = NULL;
  g_autofree char *slug = NULL;
  g_autofree char *path = NULL;
  const char *base_path;

  if (base == NULL || g_uri_get_host (base) == NULL || *g_uri_get_host (base) == '\0') {
    g_set_error (error,
                 FZ_PORTAL_ERROR,
                 FZ_PORTAL_ERROR_BAD_URL,
                 "the sign-in URL \"%s\" cannot be used: %s",
                 auth_base_url,
                 local != NULL ? local->message : "the host is missing");
    return NULL;
  }

  base_path = *g_uri_get_path (base) != '\0' ? g_uri_get_path (base) : "/";
  slug = account_slug != NULL ? g_uri_escape_string (account_slug, NULL, FALSE) : NULL;
  path = slug != NULL ? g_strconcat ("/", slug, NULL) : g_strdup (base_path);
  url = g_uri_build (G_URI_FLAGS_ENCODED,
                     g_uri_get_scheme (base),
                     NULL,
                     g_uri_get_host (base),
                     g_uri_get_port (base),
                     path,
                     "as=headless-client",
                     NULL);
  return g_uri_to_string (url);
}

static struct termios shown; /* the terminal before it was told not to show */

/* Cancelled while nothing is shown: give the shell a terminal that works. */
static void
show_and_leave (int number)
{
  (void) number;
  tcsetattr (STDIN_FILENO, TCSAFLUSH, &shown);
  _exit (EXIT_SUCCESS);
}

/* One line of standard input into locked memory; a terminal does not show what is typed. */
static char *
read_line_without_echo (void)
{
  char *line = fz_secret_new (LINE_BYTES_MAX);
  bool is_terminal = isatty (STDIN_FILENO);
  void (*on_interrupt) (int) = SIG_DFL;
  void (*on_terminate) (int) = SIG_DFL;
  struct termios hidden;
  size_t n = 0;
  char c;

  if (is_terminal && tcgetattr (STDIN_FILENO, &shown) == 0) {
    on_interrupt = signal (SIGINT, show_and_leave);
    on_terminate = signal (SIGTERM, show_and_leave);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t) ECHO;
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &hidden);
  } else {
    is_terminal = false;
  }

  /* Byte by byte: a buffer of stdio would keep a copy. */
  while (n < LINE_BYTES_MAX - 1 && read (STDIN_FILENO, &c, 1) == 1 && c != '\n')
    line[n++] = c;

  if (is_terminal) {
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &shown);
    signal (SIGINT, on_interrupt);
    signal (SIGTERM, on_terminate);
    putchar ('\n');
  }
  return line;
}

bool
fz_sign_in (const char *auth_base_url,
            const char *account_slug,
            const char *token_path,
            GError **error)
{
  g_autofree char *url = fz_sign_in_build_url (auth_base_url, account_slug, error);
  g_autoptr (FzToken) token = NULL;
  char *line;

  if (url == NULL)
    return false;

  printf ("1. Open this address in a browser and sign in:\n\n     %s\n\n"
          "2. Copy the token that the page shows.\n"
          "3. Paste it here (it is not shown) and press Enter: ",
          url);
  fflush (stdout);
  line = read_line_without_echo ();
  token = fz_token_new (line, error);
  fz_secret_free (line, LINE_BYTES_MAX);
  if (token == NULL || !fz_token_write_file (token, token_path, error))
    return false;

  printf ("Signed in. The token is saved in %s; start firezone-headless-client to connect.\n",
          token_path);
  return true;
}

static bool
confirms (void)
{
  char line[16] = "";

  fflush (stdout);
  if (fgets (line, sizeof line, stdin) == NULL)
    return false;
  g_strstrip (line);
  return g_ascii_strcasecmp (line, "y") == 0 || g_ascii_strcasecmp (line, "yes") == 0;
}

bool
fz_sign_out (const char *token_path, bool is_forced, GError **error)
{
  if (!g_file_test (token_path, G_FILE_TEST_EXISTS)) {
    printf ("Not signed in: there is no token in %s.\n", token_path);
    return true;
  }

  if (!is_forced) {
    printf ("Delete the token in %s? [y/N] ", token_path);
    if (!confirms ()) {
      printf ("Nothing was changed.\n");
      return true;
    }
  }
  if (g_unlink (token_path) < 0) {
    g_set_error (error,
                 G_FILE_ERROR,
                 (int) g_file_error_from_errno (errno),
                 "cannot delete %s: %s",
                 token_path,
                 g_strerror (errno));
    return false;
  }
  printf ("Signed out: %s is deleted. A client that is running stays connected until it ends.\n",
          token_path);
  return true;
}

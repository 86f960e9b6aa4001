/* test-sign-out.c: what signing out costs where the portal does not answer */

#include "src/portal/fz-sign-out.h"

#include <gio/gio.h>

typedef struct {
  FzLogSink sink;
  unsigned n_untold;
} Log;

static bool
wants_all (void *context, const char *target, FzLogLevel level)
{
  (void) context;
  (void) target;
  (void) level;
  return true;
}

static void
count (void *context, const FzLogRecord *record)
{
  Log *log = context;

  log->n_untold += g_strcmp0 (record->event, "sign-out-not-told") == 0 ? 1 : 0;
}

/* Who signs in and out as fast as he may must not use up the service's descriptors. */
static void
test_bounded (void)
{
  static Log log = { .sink = { wants_all, count, &log } }; /* the last one is still under way */
  const FzLog to = { &log.sink, "test" };
  g_autoptr (GSocketListener) silent = g_socket_listener_new (); /* nobody accepts */
  uint16_t port = g_socket_listener_add_any_inet_port (silent, NULL, NULL);
  g_autofree char *url = g_strdup_printf ("ws://127.0.0.1:%u/", port);
  g_autoptr (FzToken) token = fz_token_new ("token", NULL);

  for (unsigned i = 0; i < FZ_SIGN_OUTS_MAX; i++)
    fz_sign_out_send (url, token, &to);
  g_assert_cmpuint (log.n_untold, ==, 0);
  for (unsigned i = 0; i < 3; i++)
    fz_sign_out_send (url, token, &to);
  g_assert_cmpuint (log.n_untold, ==, 3); /* not sent, and said so */

  g_clear_object (&silent); /* whoever waits is refused now, again and again, and gives up */
  while (log.n_untold < 3 + FZ_SIGN_OUTS_MAX)
    g_main_context_iteration (NULL, TRUE);
  log.n_untold = 0;
  fz_sign_out_send (url, token, &to);
  g_assert_cmpuint (log.n_untold, ==, 0); /* there is room again */
}

static void
test_no_address (void)
{
  Log log = { .sink = { wants_all, count, &log } };
  const FzLog to = { &log.sink, "test" };
  g_autoptr (FzToken) token = fz_token_new ("token", NULL);

  fz_sign_out_send ("", token, &to);
  g_assert_cmpuint (log.n_untold, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sign-out/bounded", test_bounded);
  g_test_add_func ("/sign-out/no-address", test_no_address);
  return g_test_run ();
}

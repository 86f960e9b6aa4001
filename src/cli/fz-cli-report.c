/* fz-cli-report.c: firezone diagnose, metrics, export
 *
 * What one needs when something is wrong: for oneself, for a graph, for support.
 */
#include "src/cli/fz-cli-print.h"
#include "src/cli/fz-cli-service.h"
#include "src/cli/fz-cli-verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- diagnose -- */

typedef struct {
  JsonBuilder *json; /* NULL: words */
  unsigned n_failed;
} Report;

static void
add_check (Report *report, const char *name, bool holds, const char *advice)
{
  g_autofree char *clean = fz_cli_clean (advice);
  g_autofree char *mark = NULL;

  report->n_failed += holds ? 0 : 1;
  if (report->json != NULL) {
    json_builder_begin_object (report->json);
    fz_cli_json_text (report->json, "name", name);
    fz_cli_json_bool (report->json, "ok", holds);
    fz_cli_json_text (report->json, "advice", holds ? "" : advice);
    json_builder_end_object (report->json);
    return;
  }
  /* Translators: before the name of a check that found nothing wrong, or something. Both stand in
   * one column: fill the shorter of your two words with spaces. */
  mark =
      holds ? fz_cli_paint (FZ_CLI_GREEN, _ ("ok     ")) : fz_cli_paint (FZ_CLI_RED, _ ("PROBLEM"));
  printf ("%s  %s%s%s\n", mark, name, holds || *clean == '\0' ? "" : ": ", holds ? "" : clean);
}

static void
add_states (Report *report, FzTunnel1Manager *m)
{
  const char *state = fz_tunnel1_manager_get_state (m);
  const char *words = fz_cli_reason_words (fz_tunnel1_manager_get_state_reason (m));
  const char *portal = fz_tunnel1_manager_get_portal_state (m);
  bool is_signed_in = strcmp (state, "signed-out") != 0;

  add_check (
      report, "signed-in", is_signed_in, _ ("nobody is signed in. Sign in with: firezone sign-in"));
  add_check (report,
             "connected",
             strcmp (state, "connected") == 0,
             words != NULL ? words : _ ("not connected. Connect with: firezone connect"));
  add_check (
      report,
      "portal",
      strcmp (portal, "connected") == 0,
      strcmp (portal, "retrying") == 0
          ? _ ("the portal is not reached; it is tried again all the time. Check the network.")
          : _ ("the portal is not asked for. Connect with: firezone connect"));
}

static void
add_self_test (Report *report, GVariant *reply)
{
  g_autoptr (GVariant) results = g_variant_get_child_value (reply, 0);
  GVariantIter iter;
  const char *name, *advice;
  gboolean holds;

  g_variant_iter_init (&iter, results);
  while (g_variant_iter_next (&iter, "(&sb&s)", &name, &holds, &advice))
    add_check (report, name, holds, advice);
}

int
fz_cli_diagnose (FzCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  Report report = { 0 };
  int status = fz_cli_service_open (cli);

  if (status != FZ_CLI_OK)
    return status;
  if (fz_cli_has (cli, "json")) {
    report.json = fz_cli_json_begin ();
    json_builder_set_member_name (report.json, "checks");
    json_builder_begin_array (report.json);
  }
  add_check (&report, "service", true, "");
  add_states (&report, cli->manager);
  reply = fz_cli_service_call (cli, "Diagnostics.SelfTest", NULL, -1, -1, NULL, &error);
  if (reply != NULL)
    add_self_test (&report, reply);
  else
    add_check (&report, "self-test", false, error->message);
  if (report.json != NULL) {
    json_builder_end_array (report.json);
    fz_cli_json_end (report.json, false);
  }
  return report.n_failed == 0 ? FZ_CLI_OK : FZ_CLI_ERROR;
}

/* -- metrics -- */

static int
compare_counters (gconstpointer a, gconstpointer b)
{
  const char *left, *right;

  g_variant_get_child (*(GVariant *const *) a, 0, "&s", &left);
  g_variant_get_child (*(GVariant *const *) b, 0, "&s", &right);
  return strcmp (left, right);
}

static GPtrArray *
sort_counters (GVariant *counters)
{
  GPtrArray *out = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (size_t i = 0; i < g_variant_n_children (counters); i++)
    g_ptr_array_add (out, g_variant_get_child_value (counters, i));
  g_ptr_array_sort (out, compare_counters);
  return out;
}

static void
print_metrics (GVariant *counters, bool is_json)
{
  g_autoptr (GPtrArray) sorted = sort_counters (counters);
  JsonBuilder *json = is_json ? fz_cli_json_begin () : NULL;
  const char *name;
  guint64 value;

  if (is_json) {
    json_builder_set_member_name (json, "counters");
    json_builder_begin_object (json);
  }
  for (unsigned i = 0; i < sorted->len; i++) {
    g_variant_get (sorted->pdata[i], "{&st}", &name, &value);
    if (is_json)
      fz_cli_json_number (json, name, value);
    else
      printf ("%-40s %" G_GUINT64_FORMAT "\n", name, value);
  }
  if (is_json) {
    json_builder_end_object (json);
    fz_cli_json_end (json, false);
  }
}

static int
print_exposition (FzCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      fz_cli_service_call (cli, "Diagnostics.Exposition", NULL, -1, -1, NULL, &error);
  const char *text;

  if (reply == NULL)
    return fz_cli_service_fail (error);
  g_variant_get (reply, "(&s)", &text);
  fputs (text, stdout);
  return FZ_CLI_OK;
}

int
fz_cli_metrics (FzCli *cli)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) counters = NULL;
  int status = fz_cli_service_open (cli);

  if (status != FZ_CLI_OK)
    return status;
  if (fz_cli_has (cli, "prometheus"))
    return print_exposition (cli);
  reply = fz_cli_service_call (cli, "Diagnostics.Metrics", NULL, -1, -1, NULL, &error);
  if (reply == NULL)
    return fz_cli_service_fail (error);
  counters = g_variant_get_child_value (reply, 0);
  print_metrics (counters, fz_cli_has (cli, "json"));
  return FZ_CLI_OK;
}

/* -- export -- */

static int
open_target (const FzCli *cli, const char *path)
{
  int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (fz_cli_has (cli, "force") ? O_TRUNC : O_EXCL);

  if (strcmp (path, "-") == 0)
    return fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  return open (path, flags, 0600);
}

int
fz_cli_export (FzCli *cli)
{
  const char *path = cli->arguments[0];
  bool is_file = strcmp (path, "-") != 0;
  GVariant *options = g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
  g_autoptr (GVariant) parameters = g_variant_ref_sink (g_variant_new ("(h@a{sv})", 0, options));
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;
  int status = fz_cli_service_open (cli);
  int fd;

  if (status != FZ_CLI_OK)
    return status;
  fd = open_target (cli, path);
  if (fd < 0) {
    fprintf (stderr,
             errno == EEXIST ? _ ("firezone: %s is there already; --force replaces it\n")
                             : _ ("firezone: cannot write %s: %s\n"),
             path,
             g_strerror (errno));
    return FZ_CLI_ERROR;
  }
  reply = fz_cli_service_call (cli, "Diagnostics.Export", parameters, fd, -1, NULL, &error);
  close (fd);
  if (reply != NULL) {
    if (is_file && isatty (STDOUT_FILENO) == 1)
      printf (
          _ ("Written to %s. Secrets are taken out of it; look into it before you pass it on.\n"),
          path);
    return FZ_CLI_OK;
  }
  if (is_file)
    g_unlink (path); /* half an archive is worse than none */
  return fz_cli_service_fail (error);
}

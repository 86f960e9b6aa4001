/* fz-status.c: see fz-status.h */
#include "src/app/fz-status.h"

#include "src/app/fz-words.h"

#include <glib/gi18n.h>

/* Takes @note. */
static void
set_fact (FzFact *fact, FzFactLevel level, const char *title, char *note)
{
  fact->level = level;
  fact->title = g_strdup (title);
  fact->note = note != NULL ? note : g_strdup ("");
}

/* -- the three facts -- */

static char *
dup_account_note (FzTunnelModel *tunnel)
{
  const char *account = fz_tunnel_model_get_account (tunnel);
  uint64_t expires = fz_tunnel_model_get_session_expires (tunnel);
  g_autofree char *until = NULL;

  if (expires == 0)
    return g_strdup (account);
  until = fz_words_dup_until (expires, (uint64_t) g_get_real_time ());
  if (account[0] == '\0') /* Translators: %s is "in 5 days" */
    return g_strdup_printf (_ ("The session ends %s"), until);
  /* Translators: the first %s is an account's name, the second "in 5 days" */
  return g_strdup_printf (_ ("Account %s · the session ends %s"), account, until);
}

static void
read_signed_in (FzFact *out, FzTunnelModel *tunnel, FzAccount *account)
{
  const char *actor = fz_tunnel_model_get_actor (tunnel);
  g_autofree char *title = NULL;

  if (fz_account_is_signed_in (account)) {
    title = actor[0] != '\0' ? g_strdup_printf (_ ("Signed in as %s"), actor)
                             : g_strdup (_ ("Signed in"));
    set_fact (out, FZ_FACT_GOOD, title, dup_account_note (tunnel));
    return;
  }
  switch (fz_account_get_phase (account)) {
  case FZ_ACCOUNT_BROWSER:
    set_fact (out, FZ_FACT_BUSY, _ ("Signing in"), g_strdup (_ ("Waiting for the browser")));
    return;
  case FZ_ACCOUNT_RESUMING:
    set_fact (out, FZ_FACT_BUSY, _ ("Signing in"), g_strdup (_ ("Looking for a stored sign-in")));
    return;
  case FZ_ACCOUNT_HANDING_OVER:
    set_fact (out, FZ_FACT_BUSY, _ ("Signing in"), NULL);
    return;
  case FZ_ACCOUNT_SIGNING_OUT:
    set_fact (out, FZ_FACT_BUSY, _ ("Signing out"), NULL);
    return;
  case FZ_ACCOUNT_IDLE:
    break;
  }
  if (fz_account_get_trouble (account) == FZ_ACCOUNT_SESSION_OVER)
    set_fact (out, FZ_FACT_BAD, _ ("Signed out"), g_strdup (_ ("The session has ended")));
  else
    set_fact (out, FZ_FACT_OFF, _ ("Not signed in"), NULL);
}

static void
read_portal (FzFact *out, FzTunnelModel *tunnel)
{
  g_autofree char *rtt = fz_words_dup_rtt (fz_tunnel_model_get_portal_rtt_us (tunnel));

  switch (fz_tunnel_model_get_portal_state (tunnel)) {
  case FZ_PORTAL_CONNECTED:
    set_fact (out,
              FZ_FACT_GOOD,
              _ ("Portal reached"),
              /* Translators: %s is a time, "23 ms" */
              rtt[0] != '\0' ? g_strdup_printf (_ ("Answers in %s"), rtt) : NULL);
    return;
  case FZ_PORTAL_CONNECTING:
    set_fact (out, FZ_FACT_BUSY, _ ("Reaching the portal"), NULL);
    return;
  case FZ_PORTAL_RETRYING:
    set_fact (out,
              FZ_FACT_BAD,
              _ ("Portal out of reach"),
              g_strdup (_ ("Trying again; you stay signed in")));
    return;
  case FZ_PORTAL_OFF:
  case FZ_PORTAL_UNKNOWN:
    break;
  }
  set_fact (out, FZ_FACT_OFF, _ ("Portal not contacted"), NULL);
}

typedef struct {
  unsigned int n_direct;
  unsigned int n_relayed;
  unsigned int n_connecting;
  uint32_t best_rtt_us; /* 0: unknown */
} Paths;

static Paths
count_paths (FzTunnelModel *tunnel)
{
  GListModel *gateways = fz_tunnel_model_get_gateways (tunnel);
  Paths paths = { 0 };

  for (guint i = 0; i < g_list_model_get_n_items (gateways); i++) {
    g_autoptr (FzGatewayItem) gateway = g_list_model_get_item (gateways, i);
    const char *path = fz_gateway_item_get_path (gateway);
    uint32_t rtt_us = fz_gateway_item_get_rtt_us (gateway);

    if (g_str_equal (path, "direct"))
      paths.n_direct++;
    else if (g_str_has_prefix (path, "relayed"))
      paths.n_relayed++;
    else
      paths.n_connecting++;
    if (rtt_us != 0 && (paths.best_rtt_us == 0 || rtt_us < paths.best_rtt_us))
      paths.best_rtt_us = rtt_us;
  }
  return paths;
}

static char *
dup_path_note (const Paths *paths)
{
  g_autofree char *rtt = fz_words_dup_rtt (paths->best_rtt_us);
  g_autofree char *direct =
      g_strdup_printf (ngettext ("%u direct", "%u direct", paths->n_direct), paths->n_direct);
  g_autofree char *relayed =
      g_strdup_printf (ngettext ("%u relayed", "%u relayed", paths->n_relayed), paths->n_relayed);
  const char *kinds = paths->n_relayed == 0 ? direct : relayed;
  g_autofree char *both = NULL;

  if (paths->n_direct > 0 && paths->n_relayed > 0) {
    /* Translators: "1 direct, 2 relayed" */
    both = g_strdup_printf (_ ("%s, %s"), direct, relayed);
    kinds = both;
  }
  if (rtt[0] == '\0')
    return g_strdup (kinds);
  /* Translators: "1 direct, 2 relayed · fastest 8 ms" */
  return g_strdup_printf (_ ("%s · fastest %s"), kinds, rtt);
}

static void
read_path (FzFact *out, FzTunnelModel *tunnel)
{
  FzTunnelState state = fz_tunnel_model_get_state (tunnel);
  Paths paths = count_paths (tunnel);
  unsigned int n_up = paths.n_direct + paths.n_relayed;
  g_autofree char *title = NULL;

  if (n_up > 0) {
    title = g_strdup_printf (ngettext ("Path to %u gateway", "Paths to %u gateways", n_up), n_up);
    set_fact (out, FZ_FACT_GOOD, title, dup_path_note (&paths));
  } else if (paths.n_connecting > 0)
    set_fact (out, FZ_FACT_BUSY, _ ("Looking for a path to a gateway"), NULL);
  else if (state == FZ_TUNNEL_CONNECTED || state == FZ_TUNNEL_DEGRADED)
    set_fact (out,
              FZ_FACT_OFF,
              _ ("No path yet"),
              g_strdup (_ ("One is made as soon as you use a resource")));
  else
    set_fact (out, FZ_FACT_OFF, _ ("No path"), NULL);
}

/* -- the headline -- */

static void
set_headline (FzStatus *out, const char *icon, const char *headline, char *explanation)
{
  out->icon = icon;
  out->headline = g_strdup (headline);
  out->explanation = explanation;
}

static void
set_action (FzStatus *out, const char *action, const char *label, bool is_suggested)
{
  out->action = action;
  out->label = label;
  out->is_suggested = is_suggested;
}

static bool
read_helper (FzStatus *out, FzTunnelModel *tunnel)
{
  switch (fz_tunnel_model_get_helper (tunnel)) {
  case FZ_HELPER_READY:
    return false;
  case FZ_HELPER_STARTING:
    set_headline (
        out, "connecting", _ ("Starting…"), g_strdup (_ ("Waiting for the tunnel service.")));
    out->is_busy = true;
    return true;
  case FZ_HELPER_MISSING:
    set_headline (out,
                  "attention",
                  _ ("Tunnel service not running"),
                  g_strdup (_ ("Firezone cannot connect without it.")));
    break;
  case FZ_HELPER_SILENT:
    set_headline (out,
                  "attention",
                  _ ("Tunnel service does not answer"),
                  g_strdup (_ ("Firezone asks again until it does.")));
    break;
  }
  set_action (out, "app.retry-service", _ ("_Try Again"), true);
  return true;
}

static bool
read_phase (FzStatus *out, FzAccount *account)
{
  switch (fz_account_get_phase (account)) {
  case FZ_ACCOUNT_IDLE:
    return false;
  case FZ_ACCOUNT_BROWSER:
    set_headline (out,
                  "connecting",
                  _ ("Waiting for your browser"),
                  g_strdup (_ ("Sign in on the page that has opened. It brings you back here.")));
    set_action (out, "app.cancel-sign-in", _ ("_Cancel"), false);
    break;
  case FZ_ACCOUNT_RESUMING:
  case FZ_ACCOUNT_HANDING_OVER:
    set_headline (out, "connecting", _ ("Signing in…"), g_strdup (""));
    break;
  case FZ_ACCOUNT_SIGNING_OUT:
    set_headline (out, "connecting", _ ("Signing out…"), g_strdup (""));
    break;
  }
  out->is_busy = true;
  return true;
}

static char *
dup_reach (FzTunnelModel *tunnel)
{
  guint n = g_list_model_get_n_items (fz_tunnel_model_get_resources (tunnel));

  if (n == 0)
    return g_strdup (_ ("No resource is shared with you yet."));
  return g_strdup_printf (
      ngettext ("%u resource is within your reach.", "%u resources are within your reach.", n), n);
}

static void
read_error (FzStatus *out, FzTunnelModel *tunnel, FzAccount *account)
{
  const char *reason = fz_tunnel_model_get_reason (tunnel);
  bool is_over = g_str_has_prefix (reason, "session-") ||
                 fz_account_get_trouble (account) == FZ_ACCOUNT_SESSION_OVER;

  if (is_over) {
    set_headline (out,
                  "attention",
                  _ ("Sign in again"),
                  g_strdup (_ ("Your session has ended. Private resources are out of reach.")));
    set_action (out, "app.sign-in", _ ("_Sign In"), true);
  } else {
    set_headline (out,
                  "attention",
                  _ ("Not connected"),
                  g_strdup (_ ("Private resources are out of reach.")));
    set_action (out, "app.connect", _ ("_Try Again"), true);
  }
}

static void
read_foreign (FzStatus *out)
{
  set_headline (out,
                "disconnected",
                _ ("In use by another person"),
                g_strdup (_ ("Somebody else on this computer is signed in. Taking over disconnects "
                             "them and may need a password.")));
  set_action (out, "app.connect", _ ("_Take Over"), false);
}

static void
read_state (FzStatus *out, FzTunnelModel *tunnel, FzAccount *account)
{
  bool is_retrying = fz_tunnel_model_get_portal_state (tunnel) == FZ_PORTAL_RETRYING;

  switch (fz_tunnel_model_get_state (tunnel)) {
  case FZ_TUNNEL_UNKNOWN:
  case FZ_TUNNEL_SIGNED_OUT:
    set_headline (out,
                  "disconnected",
                  _ ("Not signed in"),
                  g_strdup (_ ("Sign in to reach the private resources of your organization.")));
    set_action (out, "app.sign-in", _ ("_Sign In"), true);
    return;
  case FZ_TUNNEL_OFFLINE:
    set_headline (out,
                  "disconnected",
                  _ ("Disconnected"),
                  g_strdup (_ ("Private resources are out of reach.")));
    set_action (out, "app.connect", _ ("_Connect"), true);
    return;
  case FZ_TUNNEL_CONNECTING:
    set_headline (
        out,
        "connecting",
        _ ("Connecting…"),
        g_strdup (is_retrying
                      ? _ ("The portal is out of reach. Firezone keeps trying; you stay signed in.")
                      : _ ("Asking the portal what you may reach.")));
    set_action (out, "app.disconnect", _ ("_Cancel"), false);
    out->is_busy = true;
    return;
  case FZ_TUNNEL_CONNECTED:
    set_headline (out, "connected", _ ("Connected"), dup_reach (tunnel));
    set_action (out, "app.disconnect", _ ("_Disconnect"), false);
    return;
  case FZ_TUNNEL_DEGRADED:
    set_headline (out, "attention", _ ("Connected, with a problem"), dup_reach (tunnel));
    set_action (out, "app.disconnect", _ ("_Disconnect"), false);
    return;
  case FZ_TUNNEL_DISCONNECTING:
    set_headline (out, "connecting", _ ("Disconnecting…"), g_strdup (""));
    out->is_busy = true;
    return;
  case FZ_TUNNEL_ERROR:
    read_error (out, tunnel, account);
    return;
  }
}

static char *
dup_tray (const FzStatus *status, FzTunnelModel *tunnel)
{
  const char *account = fz_tunnel_model_get_account (tunnel);

  if (fz_tunnel_model_get_state (tunnel) == FZ_TUNNEL_CONNECTED && account[0] != '\0' &&
      !status->is_busy)
    return g_strdup_printf (_ ("Connected to %s"),
                            account); /* Translators: %s is an account's name */
  return g_strdup (status->headline);
}

void
fz_status_read (FzStatus *out, FzTunnelModel *tunnel, FzAccount *account)
{
  *out = (FzStatus){ 0 };
  read_signed_in (&out->signed_in, tunnel, account);
  read_portal (&out->portal, tunnel);
  read_path (&out->path, tunnel);

  if (read_helper (out, tunnel) || read_phase (out, account))
    ;
  else if (fz_tunnel_model_is_foreign (tunnel))
    read_foreign (out);
  else if (fz_account_get_trouble (account) == FZ_ACCOUNT_SESSION_OVER)
    read_error (out, tunnel, account);
  else
    read_state (out, tunnel, account);
  out->tray = dup_tray (out, tunnel);
}

static void
clear_fact (FzFact *fact)
{
  g_free (fact->title);
  g_free (fact->note);
}

void
fz_status_clear (FzStatus *self)
{
  g_free (self->headline);
  g_free (self->explanation);
  g_free (self->tray);
  clear_fact (&self->signed_in);
  clear_fact (&self->portal);
  clear_fact (&self->path);
}

const char *
fz_status_fact_icon (FzFactLevel level)
{
  switch (level) {
  case FZ_FACT_OFF:
    break;
  case FZ_FACT_BUSY:
    return "fz-fact-busy-symbolic";
  case FZ_FACT_GOOD:
    return "fz-fact-good-symbolic";
  case FZ_FACT_BAD:
    return "fz-fact-bad-symbolic";
  }
  return "fz-fact-off-symbolic";
}

char *
fz_status_dup_logo (const FzStatus *self)
{
  return g_strdup_printf ("dev.firezone.Client-%s-symbolic", self->icon);
}

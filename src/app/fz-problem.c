/* fz-problem.c: see fz-problem.h */
#include "src/app/fz-problem.h"

#include "src/ipc/fz-ipc-error.h"
#include "src/ipc/fz-ipc-names.h"

#include <glib/gi18n.h>

void
fz_problem_free (FzProblem *self)
{
  g_free (self->what);
  g_free (self->why);
  g_free (self->advice);
  g_free (self->details);
  g_free (self);
}

/* -- what the service's reasons mean -- */

typedef struct {
  const char *reason;
  const char *what;
  const char *why;
  const char *advice;
  const char *action;
  const char *label;
} Meaning;

static const Meaning meanings[] = {
  { "portal-unreachable",
    N_ ("The portal cannot be reached"),
    N_ ("The network, a firewall or the portal itself is in the way."),
    N_ ("Check that this computer is online. Firezone keeps trying, and you stay signed in."),
    "app.reconnect",
    N_ ("Try _Now") },
  { "portal-refused",
    N_ ("The portal refuses this device"),
    N_ ("It was reached and said no."),
    N_ ("Ask your administrator whether this device may connect."),
    "app.connect",
    N_ ("_Try Again") },
  { "session-expired",
    N_ ("Your session has ended"),
    N_ ("Sign-ins are valid for a limited time."),
    N_ ("Sign in again to go on."),
    "app.sign-in",
    N_ ("_Sign In") },
  { "session-revoked",
    N_ ("Your session was ended"),
    N_ ("An administrator has ended it, or you did so in the portal."),
    N_ ("Sign in again. If that does not work, ask your administrator."),
    "app.sign-in",
    N_ ("_Sign In") },
  { "account-disabled",
    N_ ("The account is disabled"),
    N_ ("The portal does not let anybody of this account in."),
    N_ ("Ask your administrator."),
    NULL,
    NULL },
  { "version-unsupported",
    N_ ("This version is too old"),
    N_ ("The portal does not speak with it any more."),
    N_ ("Update Firezone, then connect again."),
    NULL,
    NULL },
  { "dns-failed",
    N_ ("Private names cannot be looked up"),
    N_ ("The name service of this computer did not take our settings, or another program has "
        "replaced them."),
    N_ ("Addresses work, names do not. Reconnect; if it stays so, look into the logs."),
    "app.reconnect",
    N_ ("_Reconnect") },
  { "network-down",
    N_ ("This computer is offline"),
    N_ ("It has no network that leads anywhere."),
    N_ ("Connect to a network. Firezone goes on by itself."),
    NULL,
    NULL },
  { "device-failed",
    N_ ("The network interface could not be made"),
    N_ ("The system did not let the tunnel service create or set it up."),
    N_ ("Try again. If it stays so, look into the logs and ask your administrator."),
    "app.show-logs",
    N_ ("Show _Logs") },
  { "no-rights",
    N_ ("The tunnel service lacks a right"),
    N_ ("It was not started the way it was installed."),
    N_ ("Restart it, or install Firezone again."),
    NULL,
    NULL },
  { "internal",
    N_ ("The tunnel service has failed"),
    N_ ("That is an error of ours."),
    N_ ("Try again. Please report it with the details below and an export of the logs."),
    "app.show-logs",
    N_ ("Show _Logs") },
};

static const Meaning unknown = {
  "",
  N_ ("Something is wrong"),
  N_ ("The tunnel service names a reason that this version does not know."),
  N_ ("Try again; the logs may tell more."),
  "app.show-logs",
  N_ ("Show _Logs"),
};

static const Meaning *
find_meaning (const char *reason)
{
  for (size_t i = 0; i < G_N_ELEMENTS (meanings); i++)
    if (g_str_equal (meanings[i].reason, reason))
      return &meanings[i];
  return &unknown;
}

char *
fz_problem_dup_what (const char *reason)
{
  return g_strdup (_ (find_meaning (reason)->what));
}

static char *
dup_details (FzTunnelModel *tunnel, const char *code, const char *detail)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time_text = g_date_time_format_iso8601 (now);

  return g_strdup_printf (
      "problem: %s\ndetail: %s\ntime: %s\nstate: %u, portal: %u\napp: %s, service: %s",
      code,
      detail[0] != '\0' ? detail : "none",
      time_text,
      fz_tunnel_model_get_state (tunnel),
      fz_tunnel_model_get_portal_state (tunnel),
      FZ_VERSION,
      fz_tunnel_model_get_version (tunnel));
}

static FzProblem *
make_problem (FzTunnelModel *tunnel, const Meaning *meaning, const char *code, const char *detail)
{
  FzProblem *problem = g_new0 (FzProblem, 1);

  problem->id = g_intern_string (code);
  problem->is_serious = true;
  problem->what = g_strdup (_ (meaning->what));
  problem->why = g_strdup (_ (meaning->why));
  problem->advice = g_strdup (_ (meaning->advice));
  problem->action = meaning->action;
  problem->label = meaning->label != NULL ? _ (meaning->label) : NULL;
  problem->details = dup_details (tunnel, code, detail);
  return problem;
}

/* -- the service itself -- */

static void
add_helper (GPtrArray *problems, FzTunnelModel *tunnel)
{
  static const Meaning missing = {
    "helper-missing",
    N_ ("The tunnel service is not running"),
    N_ ("Nobody answers for it on the system bus, and it could not be started."),
    N_ ("Start it with “systemctl start firezone-client-tunnel”, or install Firezone again."),
    NULL,
    NULL,
  };
  static const Meaning silent = {
    "helper-silent",
    N_ ("The tunnel service does not answer"),
    N_ ("It is running, but busy or stuck."),
    N_ ("If it stays so, restart it with “systemctl restart firezone-client-tunnel”."),
    NULL,
    NULL,
  };
  FzHelperState state = fz_tunnel_model_get_helper (tunnel);
  const Meaning *meaning = state == FZ_HELPER_MISSING ? &missing : &silent;

  if (state == FZ_HELPER_MISSING || state == FZ_HELPER_SILENT)
    g_ptr_array_add (
        problems,
        make_problem (
            tunnel, meaning, meaning->reason, fz_tunnel_model_get_helper_detail (tunnel)));
}

/* -- the tunnel's state -- */

/* Reasons that are no problem: somebody wanted it so. */
static bool
is_wanted (const char *reason)
{
  return reason[0] == '\0' || g_str_equal (reason, "user") || g_str_equal (reason, "owner-left");
}

static void
add_state (GPtrArray *problems, FzTunnelModel *tunnel, FzAccount *account)
{
  FzTunnelState state = fz_tunnel_model_get_state (tunnel);
  const char *reason = fz_tunnel_model_get_reason (tunnel);
  const char *detail = fz_tunnel_model_get_detail (tunnel);
  FzProblem *problem;

  if (fz_tunnel_model_is_foreign (tunnel))
    return;
  if (fz_account_get_trouble (account) == FZ_ACCOUNT_SESSION_OVER &&
      !g_str_has_prefix (reason, "session-"))
    reason = "session-expired";
  else if (is_wanted (reason) && state != FZ_TUNNEL_ERROR && state != FZ_TUNNEL_DEGRADED) {
    if (fz_tunnel_model_get_portal_state (tunnel) != FZ_PORTAL_RETRYING)
      return;
    reason = "portal-unreachable";
  }
  problem = make_problem (tunnel, find_meaning (reason), reason, detail);
  if (state == FZ_TUNNEL_ERROR && g_strcmp0 (problem->action, "app.reconnect") == 0)
    problem->action = "app.connect"; /* there is nothing up to make anew */
  if (find_meaning (reason) == &unknown && detail[0] != '\0') {
    g_free (problem->why);
    problem->why = g_strdup (detail);
  }
  g_ptr_array_add (problems, problem);
}

/* -- what the person tried -- */

static const Meaning not_authorized = {
  "not-authorized",
  N_ ("You are not allowed to do that"),
  N_ ("The rules of this computer say no, or the password was not given."),
  N_ ("Try again, or ask your administrator."),
  NULL,
  NULL,
};
static const Meaning not_owner = {
  "not-owner",
  N_ ("The tunnel belongs to another person"),
  N_ ("Somebody else on this computer is signed in."),
  N_ ("They have to sign out first, or an administrator has to take over."),
  NULL,
  NULL,
};
static const Meaning call_failed = {
  "call-failed",
  N_ ("The tunnel service did not do what was asked"),
  N_ ("It gave a reason that is in the details."),
  N_ ("Try again; the logs may tell more."),
  "app.show-logs",
  N_ ("Show _Logs"),
};
static const Meaning bad_address = {
  "bad-address",
  N_ ("The sign-in page has no valid address"),
  N_ ("The address in the settings is not one that a browser can open."),
  N_ ("Correct the sign-in address in the settings."),
  "app.show-settings",
  N_ ("Open _Settings"),
};
static const Meaning too_late = {
  "too-late",
  N_ ("The sign-in took too long"),
  N_ ("The browser did not come back within ten minutes."),
  N_ ("Sign in again, and allow the browser to open Firezone."),
  "app.sign-in",
  N_ ("_Sign In"),
};

static void
add_trouble (GPtrArray *problems, FzTunnelModel *tunnel, FzAccount *account)
{
  const GError *error = fz_account_get_error (account);
  const char *detail = error != NULL ? error->message : "";
  const Meaning *meaning = NULL;

  switch (fz_account_get_trouble (account)) {
  case FZ_ACCOUNT_FINE:
  case FZ_ACCOUNT_SESSION_OVER:
    return;
  case FZ_ACCOUNT_BAD_ADDRESS:
    meaning = &bad_address;
    break;
  case FZ_ACCOUNT_TOO_LATE:
    meaning = &too_late;
    break;
  case FZ_ACCOUNT_CALL_FAILED:
    if (g_error_matches (error, FZ_IPC_ERROR, FZ_IPC_ERROR_NOT_AUTHORIZED))
      meaning = &not_authorized;
    else if (g_error_matches (error, FZ_IPC_ERROR, FZ_IPC_ERROR_NOT_OWNER))
      meaning = &not_owner;
    else
      meaning = &call_failed;
    break;
  }
  g_ptr_array_add (problems, make_problem (tunnel, meaning, meaning->reason, detail));
}

static void
add_forgetful (GPtrArray *problems, FzTunnelModel *tunnel, FzAccount *account)
{
  static const Meaning forgetful = {
    "not-remembered",
    N_ ("This sign-in will not be remembered"),
    N_ ("The password manager of your desktop is missing or locked, so it is kept in memory only."),
    N_ ("You stay connected. After a restart of Firezone you have to sign in again, unless the "
        "password manager is "
        "unlocked before you sign in."),
    "app.keep-in-file",
    N_ ("_Keep It in an Encrypted File…"),
  };
  FzCredentialStore *store = fz_account_get_store (account);
  FzProblem *problem;

  if (fz_credential_store_get_kept (store) != FZ_KEPT_IN_MEMORY)
    return;
  problem =
      make_problem (tunnel, &forgetful, forgetful.reason, fz_credential_store_get_reason (store));
  problem->is_serious = false;
  g_ptr_array_add (problems, problem);
}

static void
add_left_over (GPtrArray *problems, FzTunnelModel *tunnel, FzAccount *account)
{
  static const Meaning left_over = {
    "left-over",
    N_ ("An old sign-in may still be in the password manager"),
    N_ ("The password manager of your desktop is locked, does not answer, or refuses to delete "
        "the entry. Firezone does not use it any more."),
    N_ ("Unlock the password manager and try again, or delete the old entry there yourself."),
    "app.clear-keyring",
    N_ ("_Try Again"),
  };
  FzCredentialStore *store = fz_account_get_store (account);
  const char *label = fz_credential_store_get_label (store);
  FzProblem *problem;

  if (!fz_credential_store_has_left_over (store))
    return;
  problem =
      make_problem (tunnel, &left_over, left_over.reason, fz_credential_store_get_reason (store));
  if (label[0] != '\0') {
    g_free (problem->advice);
    /* Translators: %s is the name of the entry in the password manager */
    problem->advice = g_strdup_printf (_ ("Unlock the password manager and try again, or delete "
                                          "the old entry “%s” there yourself."),
                                       label);
  }
  g_ptr_array_add (problems, problem);
}

static void
add_sealed (GPtrArray *problems, FzTunnelModel *tunnel, FzAccount *account)
{
  static const Meaning sealed = {
    "sealed",
    N_ ("Your sign-in is locked"),
    N_ ("It is in an encrypted file on this computer, and opens with your passphrase."),
    N_ ("Enter the passphrase, or sign in anew."),
    "app.open-file",
    N_ ("_Unlock…"),
  };
  FzProblem *problem;

  if (fz_account_is_signed_in (account) || fz_account_get_phase (account) != FZ_ACCOUNT_IDLE ||
      !fz_credential_store_is_sealed (fz_account_get_store (account)))
    return;
  problem = make_problem (tunnel, &sealed, sealed.reason, "");
  problem->is_serious = false;
  g_ptr_array_add (problems, problem);
}

GPtrArray *
fz_problem_list (FzTunnelModel *tunnel, FzAccount *account)
{
  GPtrArray *problems = g_ptr_array_new_with_free_func ((GDestroyNotify) fz_problem_free);

  add_helper (problems, tunnel);
  if (problems->len == 0)
    add_state (problems, tunnel, account);
  add_trouble (problems, tunnel, account);
  add_left_over (problems, tunnel, account);
  add_forgetful (problems, tunnel, account);
  add_sealed (problems, tunnel, account);
  return problems;
}

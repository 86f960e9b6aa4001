/* fz-notifier.c: see fz-notifier.h */
#include "src/app/fz-notifier.h"

#include "src/app/fz-problem.h"
#include "src/app/fz-words.h"

#include <glib/gi18n.h>

#define PAUSE_US (60 * G_USEC_PER_SEC) /* between two of one kind */

struct _FzNotifier {
  GObject parent_instance;

  GApplication *application; /* owns us */
  FzTunnelModel *tunnel;
  FzAccount *account;
  GSettings *settings;
  GHashTable *told; /* kind (static) -> monotonic time of the last one (gint64 *) */
};

G_DEFINE_FINAL_TYPE (FzNotifier, fz_notifier, G_TYPE_OBJECT)

/* -- sending -- */

static bool
is_too_soon (FzNotifier *self, const char *kind)
{
  gint64 now = g_get_monotonic_time ();
  gint64 *last = g_hash_table_lookup (self->told, kind);

  if (last != NULL && now - *last < PAUSE_US)
    return true;
  g_hash_table_insert (self->told, (gpointer) kind, g_memdup2 (&now, sizeof now));
  return false;
}

typedef struct {
  const char *kind; /* static */
  const char *title;
  const char *body;
  const char *view;   /* detailed name of the action behind a click */
  const char *action; /* of a button, or NULL */
  const char *label;
} Note;

static void
send (FzNotifier *self, const Note *note)
{
  g_autoptr (GNotification) notification = NULL;
  g_autoptr (GIcon) icon = g_themed_icon_new ("dev.firezone.Client");

  if (!g_settings_get_boolean (self->settings, "notifications") || is_too_soon (self, note->kind))
    return;
  notification = g_notification_new (note->title);
  g_notification_set_body (notification, note->body);
  g_notification_set_icon (notification, icon);
  g_notification_set_default_action (notification, note->view);
  if (note->action != NULL)
    g_notification_add_button (notification, note->label, note->action);
  g_application_send_notification (self->application, note->kind, notification);
}

static void
withdraw (FzNotifier *self, const char *kind)
{
  if (g_hash_table_contains (self->told, kind))
    g_application_withdraw_notification (self->application, kind);
}

/* -- what the service finds worth telling -- */

static void
tell_connected (FzNotifier *self)
{
  guint n = g_list_model_get_n_items (fz_tunnel_model_get_resources (self->tunnel));
  g_autofree char *body = g_strdup_printf (
      ngettext ("%u resource is within your reach.", "%u resources are within your reach.", n), n);

  if (!g_settings_get_boolean (self->settings, "notify-connected"))
    return;
  send (self, &(Note){ "connected", _ ("Connected"), body, "app.show-resources", NULL, NULL });
}

static void
tell_session_ends (FzNotifier *self, GVariant *details)
{
  g_autofree char *until = NULL;
  g_autofree char *body = NULL;
  uint64_t expires = fz_tunnel_model_get_session_expires (self->tunnel);

  (void) g_variant_lookup (details, "expires", "t", &expires);
  until = fz_words_dup_until (expires, (uint64_t) g_get_real_time ());
  /* Translators: %s is "in 9 minutes" */
  body = g_strdup_printf (_ ("It ends %s. Sign in again to stay connected."), until);
  send (self,
        &(Note){ "session-ends",
                 _ ("Your session ends soon"),
                 body,
                 "app.show-window",
                 "app.renew",
                 _ ("Sign In") });
}

/* A resource that cannot be reached, and why. */
static void
tell_resource (FzNotifier *self, const char *id, GVariant *details)
{
  const char *name = "", *site = "", *resource_id = "";
  g_autofree char *title = NULL;
  g_autofree char *body = NULL;
  g_autofree char *view = NULL;
  (void) g_variant_lookup (details, "resource-name", "&s", &name);
  (void) g_variant_lookup (details, "resource-id", "&s", &resource_id);
  (void) g_variant_lookup (details, "site", "&s", &site);
  /* Translators: %s is the name of a resource */
  title = g_strdup_printf (_ ("“%s” cannot be reached"), name);
  if (g_str_equal (id, "resource-denied"))
    body = g_strdup (_ ("The rules of your organization do not allow it now. Ask your "
                        "administrator."));
  else if (g_str_equal (id, "gateways-offline")) /* Translators: %s is the name of a site */
    body = g_strdup_printf (_ ("All gateways of the site %s are offline. Ask your administrator."),
                            site);
  else
    body = g_strdup_printf (_ ("Firezone and the gateways of the site %s are of versions that do "
                               "not go together. Update Firezone, or ask "
                               "your administrator."),
                            site);
  view = g_action_print_detailed_name ("app.show-resource", g_variant_new_string (resource_id));
  send (self, &(Note){ g_intern_string (id), title, body, view, NULL, NULL });
}

static void
on_event (FzTunnelModel *tunnel, const char *id, GVariant *details, gpointer user_data)
{
  FzNotifier *self = user_data;
  const char *reason = "session-expired";

  if (g_str_equal (id, "connected"))
    tell_connected (self);
  else if (g_str_equal (id, "lost"))
    send (self,
          &(Note){ "lost",
                   _ ("Connection lost"),
                   _ ("Private resources may be out of reach. Firezone tries to get back; you stay "
                      "signed in."),
                   "app.show-window",
                   NULL,
                   NULL });
  else if (g_str_equal (id, "restored"))
    withdraw (self, "lost");
  else if (g_str_equal (id, "sign-in-needed")) {
    g_autofree char *title = NULL;

    (void) g_variant_lookup (details, "reason", "&s", &reason);
    title = fz_problem_dup_what (reason);
    send (self,
          &(Note){ "sign-in-needed",
                   title,
                   _ ("Private resources are out of reach until you sign in again."),
                   "app.show-window",
                   "app.sign-in",
                   _ ("Sign In") });
  } else if (g_str_equal (id, "session-ends-soon"))
    tell_session_ends (self, details);
  else if (g_str_equal (id, "gateways-offline") || g_str_equal (id, "version-mismatch") ||
           g_str_equal (id, "resource-denied"))
    tell_resource (self, id, details);
  else if (g_str_equal (id, "dns-failed")) {
    g_autofree char *title = fz_problem_dup_what (id);

    send (self,
          &(Note){ "dns-failed",
                   title,
                   _ ("Addresses work, names do not. Reconnect to try again."),
                   "app.show-window",
                   "app.reconnect",
                   _ ("Reconnect") });
  }
}

void
fz_notifier_tell_background (FzNotifier *self)
{
  send (self,
        &(Note){ "background",
                 _ ("Firezone goes on in the background"),
                 _ ("Start it again to see its window."),
                 "app.show-window",
                 "app.quit",
                 _ ("Disconnect and Quit") });
}

/* -- what is no longer true -- */

static void
on_changed (gpointer source, gpointer user_data)
{
  FzNotifier *self = user_data;
  FzTunnelState state = fz_tunnel_model_get_state (self->tunnel);
  bool is_healthy = state == FZ_TUNNEL_CONNECTED &&
                    fz_tunnel_model_get_portal_state (self->tunnel) == FZ_PORTAL_CONNECTED;

  if (is_healthy) {
    withdraw (self, "lost");
    withdraw (self, "dns-failed");
    withdraw (self, "sign-in-needed");
  }
  if (state != FZ_TUNNEL_CONNECTED && state != FZ_TUNNEL_DEGRADED) {
    withdraw (self, "connected");
    withdraw (self, "session-ends");
    withdraw (self, "gateways-offline");
    withdraw (self, "version-mismatch");
    withdraw (self, "resource-denied");
  }
}

/* -- life -- */

FzNotifier *
fz_notifier_new (GApplication *application,
                 FzTunnelModel *tunnel,
                 FzAccount *account,
                 GSettings *settings)
{
  FzNotifier *self = g_object_new (FZ_TYPE_NOTIFIER, NULL);

  self->application = application;
  self->tunnel = g_object_ref (tunnel);
  self->account = g_object_ref (account);
  self->settings = g_object_ref (settings);
  g_signal_connect_object (tunnel, "event", G_CALLBACK (on_event), self, 0);
  g_signal_connect_object (tunnel, "changed", G_CALLBACK (on_changed), self, 0);
  g_signal_connect_object (account, "changed", G_CALLBACK (on_changed), self, 0);
  return self;
}

static void
finalize (GObject *object)
{
  FzNotifier *self = FZ_NOTIFIER (object);

  g_clear_object (&self->tunnel);
  g_clear_object (&self->account);
  g_clear_object (&self->settings);
  g_hash_table_unref (self->told);
  G_OBJECT_CLASS (fz_notifier_parent_class)->finalize (object);
}

static void
fz_notifier_class_init (FzNotifierClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

static void
fz_notifier_init (FzNotifier *self)
{
  self->told = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
}

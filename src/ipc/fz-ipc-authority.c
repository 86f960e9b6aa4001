#include "src/ipc/fz-ipc-authority.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define ALLOW_USER_INTERACTION 1u /* polkit's CheckAuthorizationFlags */

#define QUIET_TIMEOUT_MS       10000  /* polkit alone */
#define INTERACTIVE_TIMEOUT_MS 180000 /* a person looks for a password */
#define CANCEL_TIMEOUT_MS      5000

typedef struct {
  GDBusConnection *connection;
  char *cancel_id;
  FzIpcVerdictFunc callback;
  gpointer user_data;
} Question;

static void
free_question (Question *question)
{
  g_object_unref (question->connection);
  g_free (question->cancel_id);
  g_free (question);
}

/* Otherwise the dialog stays on somebody's screen. */
static void
withdraw (Question *question)
{
  g_dbus_connection_call (question->connection,
                          POLKIT_NAME,
                          POLKIT_PATH,
                          POLKIT_INTERFACE,
                          "CancelCheckAuthorization",
                          g_variant_new ("(s)", question->cancel_id),
                          NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          CANCEL_TIMEOUT_MS,
                          NULL,
                          NULL,
                          NULL);
}

static FzIpcVerdict
judge_error (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return FZ_IPC_VERDICT_CANCELLED;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
      g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_TIMEOUT))
    return FZ_IPC_VERDICT_TIMED_OUT;
  return FZ_IPC_VERDICT_UNAVAILABLE;
}

static FzIpcVerdict
judge_reply (GVariant *reply)
{
  g_autoptr (GVariant) details = NULL;
  const char *dismissed = NULL;
  gboolean is_authorized, is_challenge;

  g_variant_get (reply, "((bb@a{ss}))", &is_authorized, &is_challenge, &details);
  if (is_authorized)
    return FZ_IPC_VERDICT_ALLOWED;
  if (g_variant_lookup (details, "polkit.dismissed", "&s", &dismissed))
    return FZ_IPC_VERDICT_DISMISSED;
  return is_challenge ? FZ_IPC_VERDICT_CHALLENGE : FZ_IPC_VERDICT_REFUSED;
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Question *question = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply =
      g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  FzIpcVerdict verdict = reply != NULL ? judge_reply (reply) : judge_error (error);

  if (verdict == FZ_IPC_VERDICT_CANCELLED || verdict == FZ_IPC_VERDICT_TIMED_OUT)
    withdraw (question);
  if (error != NULL)
    g_dbus_error_strip_remote_error (error);
  question->callback (
      verdict, verdict == FZ_IPC_VERDICT_UNAVAILABLE ? error->message : NULL, question->user_data);
  free_question (question);
}

static GVariant *
make_subject (const char *sender)
{
  GVariantBuilder details = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  g_variant_builder_add (&details, "{sv}", "name", g_variant_new_string (sender));
  return g_variant_new ("(sa{sv})", "system-bus-name", &details);
}

void
fz_ipc_authority_check (GDBusConnection *connection,
                        const char *sender,
                        const char *action,
                        bool is_interactive,
                        GCancellable *cancellable,
                        FzIpcVerdictFunc callback,
                        gpointer user_data)
{
  static unsigned n_questions; /* main thread */
  Question *question = g_new0 (Question, 1);

  *question = (Question){
    .connection = g_object_ref (connection),
    .cancel_id = g_strdup_printf ("firezone-%u", ++n_questions),
    .callback = callback,
    .user_data = user_data,
  };
  g_dbus_connection_call (connection,
                          POLKIT_NAME,
                          POLKIT_PATH,
                          POLKIT_INTERFACE,
                          "CheckAuthorization",
                          g_variant_new ("(@(sa{sv})s@a{ss}us)",
                                         make_subject (sender),
                                         action,
                                         g_variant_new ("a{ss}", NULL),
                                         is_interactive ? ALLOW_USER_INTERACTION : 0u,
                                         question->cancel_id),
                          G_VARIANT_TYPE ("((bba{ss}))"),
                          G_DBUS_CALL_FLAGS_NONE,
                          is_interactive ? INTERACTIVE_TIMEOUT_MS : QUIET_TIMEOUT_MS,
                          cancellable,
                          on_answer,
                          question);
}

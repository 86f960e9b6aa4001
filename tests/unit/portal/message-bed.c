/* message-bed.c */

#include "tests/unit/portal/message-bed.h"

#include "src/portal/fz-phoenix-frame.h"
#include "src/portal/fz-portal-error.h"
#include "tests/unit/portal/portal-test.h"

#include <string.h>

void
message_outcome_clear (MessageOutcome *outcome)
{
  g_free (outcome->described);
  g_free (outcome->problem);
  g_free (outcome->warnings);
}

MessageOutcome
message_run_text (const char *text)
{
  g_auto (FzPhoenixFrame) frame = { 0 };
  g_autoptr (FzMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  PortalTestLog log;
  FzLog to;
  MessageOutcome out = { 0 };

  portal_test_log_init (&log);
  to = portal_test_log_get (&log);
  g_assert_true (fz_phoenix_frame_parse (text, strlen (text), &frame, &error));
  g_assert_cmpint (frame.kind, ==, FZ_FRAME_MESSAGE);
  out.verdict =
      fz_message_parse (strcmp (frame.topic, "gateway") == 0 ? FZ_ROLE_GATEWAY : FZ_ROLE_CLIENT,
                        frame.event,
                        frame.payload,
                        UNIX_NOW,
                        &to,
                        &message,
                        &error);
  /* The message stands on its own: the frame may go. */
  fz_phoenix_frame_clear (&frame);
  if (out.verdict == FZ_MESSAGE_COMMAND)
    out.described = portal_test_describe (fz_message_get_command (message));
  else
    g_assert_null (message);
  if (out.verdict == FZ_MESSAGE_REFUSED) {
    g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED);
    out.problem = g_strdup (error->message);
  } else {
    g_assert_no_error (error);
  }
  out.warnings = g_strdup (log.warnings->str);
  portal_test_log_clear (&log);
  return out;
}

MessageOutcome
message_run_tree (JsonNode *root)
{
  g_autofree char *text = json_to_string (root, FALSE);

  return message_run_text (text);
}

JsonNode *
message_load (const char *file)
{
  g_autofree char *name = g_strconcat (file, ".json", NULL);
  g_autofree char *text = portal_test_read (name);
  JsonNode *root = json_from_string (text, NULL);

  g_assert_nonnull (root);
  return root;
}

/* fuzz-portal.c
 *
 * One text as everything the portal may send: a frame for a client and for a
 * gateway, the HTTP answer to an upgrade, an ingest token.
 *
 * Beyond "no crash": a command can be read to its last byte, candidates that
 * came in survive being written as a message of ours, and an upgrade's reader never takes a byte
 * behind the head it has accepted.
 */
#include "src/portal/fz-ingest-token.h"
#include "src/portal/fz-messages.h"
#include "src/portal/fz-phoenix-frame.h"
#include "src/portal/fz-upgrade.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/portal/portal-test.h"

#include <string.h>

/* What came as candidates goes out as candidates, and is JSON that says the same. */
static void
check_candidates (const FzCommand *command)
{
  const FzEvent event = {
    .kind = FZ_EVENT_NEW_CANDIDATES,
    .candidates = { command->candidates.peer_id,
                    command->candidates.candidates,
                    command->candidates.n_candidates },
  };
  const char *name = NULL;
  g_autofree char *payload = fz_message_write (FZ_ROLE_CLIENT, &event, &name);
  g_autofree char *frame = fz_phoenix_frame_write ("client", name, payload, 1);
  g_auto (FzPhoenixFrame) parsed = { 0 };
  JsonArray *array;

  g_assert_true (fz_phoenix_frame_parse (frame, strlen (frame), &parsed, NULL));
  array = json_object_get_array_member (json_node_get_object (parsed.payload), "candidates");
  g_assert_cmpuint (json_array_get_length (array), ==, command->candidates.n_candidates);
  for (guint i = 0; i < json_array_get_length (array); i++)
    g_assert_cmpstr (
        json_array_get_string_element (array, i), ==, command->candidates.candidates[i]);
}

static void
run_message (FzRole role, const FzPhoenixFrame *frame)
{
  const FzLog silent = { NULL, "fuzz" };
  g_autoptr (FzMessage) message = NULL;
  g_autoptr (GError) error = NULL;
  FzMessageVerdict verdict =
      fz_message_parse (role, frame->event, frame->payload, 1, &silent, &message, &error);

  g_assert_cmpint (message != NULL, ==, verdict == FZ_MESSAGE_COMMAND);
  g_assert_cmpint (error != NULL, ==, verdict == FZ_MESSAGE_REFUSED);
  if (verdict == FZ_MESSAGE_COMMAND) {
    const FzCommand *command = fz_message_get_command (message);
    g_autofree char *text = portal_test_describe (command);

    g_assert_cmpuint (strlen (text), >, 0);
    if (command->kind == FZ_COMMAND_ADD_CANDIDATES)
      check_candidates (command);
  }
}

static void
run_frame (const char *text, size_t size)
{
  g_auto (FzPhoenixFrame) frame = { 0 };
  g_autoptr (GError) error = NULL;

  if (!fz_phoenix_frame_parse (text, size, &frame, &error)) {
    g_assert_nonnull (error);
    return;
  }
  if (frame.kind == FZ_FRAME_MESSAGE) {
    run_message (FZ_ROLE_CLIENT, &frame);
    run_message (FZ_ROLE_GATEWAY, &frame);
  }
}

static void
run_upgrade (const char *text, size_t size)
{
  static const uint8_t key[FZ_UPGRADE_KEY_SIZE + 1] = "the sample nonce";
  g_autoptr (FzUpgradeReader) reader = fz_upgrade_reader_new (key);
  g_autoptr (GError) error = NULL;
  FzChannelRefusal refusal;
  size_t at = 0, wanted;

  while ((wanted = fz_upgrade_reader_wants (reader)) > 0) {
    size_t n = MIN (wanted, size - at);

    if (n > 0 ? !fz_upgrade_reader_feed (reader, text + at, n, &error)
              : !fz_upgrade_reader_end (reader, &error)) {
      g_assert_nonnull (error);
      return;
    }
    at += n;
  }
  if (fz_upgrade_reader_get_result (reader, 0, &refusal, &error))
    g_assert_true (at >= 4 && memcmp (text + at - 4, "\r\n\r\n", 4) == 0);
}

static void
run_token (const char *text, size_t size)
{
  g_autofree char *token = g_strndup (text, size);
  FzJsonReader r = FZ_JSON_READER_INIT;

  fz_ingest_token_check (&r, token);
  g_assert_cmpint (r.ok, ==, *r.problem == '\0');
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *) data;

  run_frame (text, size);
  run_upgrade (text, size);
  run_token (text, size);
  return 0;
}

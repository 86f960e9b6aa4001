#include "src/portal/fz-phoenix-frame.h"
#include "src/portal/fz-portal-error.h"

#include <string.h>

#define REFUSED (-1)

static const struct {
  const char *name;
  const char *text;
  int kind; /* FzFrameKind, or REFUSED */
  FzReplyReason reason;
} rows[] = {
  { "push",
    "{\"topic\":\"client\",\"event\":\"init\",\"payload\":{\"a\":1},\"ref\":null}",
    FZ_FRAME_MESSAGE,
    0 },
  { "push-without-ref",
    "{\"topic\":\"client\",\"event\":\"init\",\"payload\":{}}",
    FZ_FRAME_MESSAGE,
    0 },
  { "push-with-join-ref",
    "{\"topic\":\"client\",\"event\":\"x\",\"payload\":[],\"ref\":null,\"join_ref\":\"1\"}",
    FZ_FRAME_MESSAGE,
    0 },
  { "bare-id-as-payload",
    "{\"topic\":\"client\",\"event\":\"resource_deleted\",\"payload\":\"x\",\"ref\":null}",
    FZ_FRAME_MESSAGE,
    0 },
  { "ok",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":0,\"payload\":{\"status\":\"ok\","
    "\"response\":{}}}",
    FZ_FRAME_OK,
    0 },
  { "ok-null",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":0,\"payload\":{\"status\":\"ok\","
    "\"response\":null}}",
    FZ_FRAME_OK_NULL,
    0 },
  { "ok-with-content",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":0,\"payload\":{\"status\":\"ok\","
    "\"response\":{\"a\":1}}}",
    REFUSED,
    0 },
  { "ok-without-response",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":0,\"payload\":{\"status\":\"ok\"}}",
    REFUSED,
    0 },
  { "status-unknown",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":0,\"payload\":{\"status\":\"maybe\","
    "\"response\":{}}}",
    REFUSED,
    0 },
  { "error-disabled",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":0,\"payload\":{\"status\":\"error\","
    "\"response\":{\"reason\":\"disabled\"}}}",
    FZ_FRAME_ERROR_REPLY,
    FZ_REPLY_REASON_DISABLED },
  { "error-unmatched",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":5,\"payload\":{\"status\":\"error\","
    "\"response\":{\"reason\":\"unmatched topic\"}}}",
    FZ_FRAME_ERROR_REPLY,
    FZ_REPLY_REASON_UNMATCHED_TOPIC },
  { "error-version",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":5,\"payload\":{\"status\":\"error\","
    "\"response\":{\"reason\":\"invalid_version\"}}}",
    FZ_FRAME_ERROR_REPLY,
    FZ_REPLY_REASON_INVALID_VERSION },
  { "error-other",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":5,\"payload\":{\"status\":\"error\","
    "\"response\":{\"reason\":\"bad reply\"}}}",
    FZ_FRAME_ERROR_REPLY,
    FZ_REPLY_REASON_OTHER },
  { "error-without-reason",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":5,\"payload\":{\"status\":\"error\","
    "\"response\":{}}}",
    REFUSED,
    0 },
  { "ref-as-string",
    "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":\"0\",\"payload\":{\"status\":\"ok\","
    "\"response\":{}}}",
    REFUSED,
    0 },
  { "ref-negative",
    "{\"topic\":\"client\",\"event\":\"x\",\"payload\":{},\"ref\":-1}",
    REFUSED,
    0 },
  { "ref-as-float",
    "{\"topic\":\"client\",\"event\":\"x\",\"payload\":{},\"ref\":1.5}",
    REFUSED,
    0 },
  { "crashed",
    "{\"topic\":\"client\",\"event\":\"phx_error\",\"payload\":{},\"ref\":null}",
    FZ_FRAME_PHX_ERROR,
    0 },
  { "crashed-with-content",
    "{\"topic\":\"client\",\"event\":\"phx_error\",\"payload\":{\"a\":1},\"ref\":null}",
    REFUSED,
    0 },
  { "ended",
    "{\"topic\":\"client\",\"event\":\"phx_close\",\"payload\":{},\"ref\":null}",
    FZ_FRAME_PHX_CLOSE,
    0 },
  { "ended-with-content",
    "{\"topic\":\"client\",\"event\":\"phx_close\",\"payload\":{\"a\":1},\"ref\":null}",
    REFUSED,
    0 },
  { "token-expired",
    "{\"topic\":\"client\",\"event\":\"disconnect\",\"payload\":{\"reason\":\"token_expired\"},"
    "\"ref\":null}",
    FZ_FRAME_TOKEN_EXPIRED,
    0 },
  { "disconnect-other-reason",
    "{\"topic\":\"client\",\"event\":\"disconnect\",\"payload\":{\"reason\":\"tired\"},"
    "\"ref\":null}",
    REFUSED,
    0 },
  { "no-topic", "{\"event\":\"x\",\"payload\":{},\"ref\":null}", REFUSED, 0 },
  { "no-event", "{\"topic\":\"client\",\"payload\":{},\"ref\":null}", REFUSED, 0 },
  { "no-payload", "{\"topic\":\"client\",\"event\":\"x\",\"ref\":null}", REFUSED, 0 },
  { "array-form", "[null,\"1\",\"client\",\"init\",{}]", REFUSED, 0 },
  { "number", "17", REFUSED, 0 },
};

static void
test_row (gconstpointer data)
{
  size_t i = GPOINTER_TO_SIZE (data);
  g_auto (FzPhoenixFrame) frame = { 0 };
  g_autoptr (GError) error = NULL;
  bool is_parsed = fz_phoenix_frame_parse (rows[i].text, strlen (rows[i].text), &frame, &error);

  g_assert_cmpint (is_parsed, ==, rows[i].kind != REFUSED);
  if (!is_parsed) {
    g_assert_error (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED);
    g_assert_null (frame.root);
    return;
  }
  g_assert_cmpint (frame.kind, ==, rows[i].kind);
  g_assert_cmpint (frame.reason, ==, rows[i].reason);
  g_assert_cmpint (frame.payload != NULL, ==, frame.kind == FZ_FRAME_MESSAGE);
}

static void
test_ref_is_read (void)
{
  static const char text[] = "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{},\"ref\":4294967296}";
  g_auto (FzPhoenixFrame) frame = { 0 };

  g_assert_true (fz_phoenix_frame_parse (text, strlen (text), &frame, NULL));
  g_assert_true (frame.has_ref);
  g_assert_cmpuint (frame.ref, ==, UINT64_C (4294967296));
  g_assert_cmpstr (frame.topic, ==, "t");
  g_assert_cmpstr (frame.event, ==, "e");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strdup_printf ("/frame/%s", rows[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_row);
  }
  g_test_add_func ("/frame/ref", test_ref_is_read);
  return g_test_run ();
}

/* test-channel.c
 *
 * The table of portal-protocol.md §3.13, edge by edge, on a virtual clock. What
 * the channel puts out is written down as words: "dial", "send phx_join 0", …
 */
#include "src/portal/fz-phoenix-channel.h"
#include "src/portal/fz-portal-error.h"
#include "tests/unit/portal/portal-test.h"

#include <string.h>

typedef struct {
  FzPhoenixChannel *channel;
  FzInstant now;
  FzSeededRng seeded;
  PortalTestLog log;
  int error_code; /* of the last "failed" */
  uint64_t delay_ns;
  FzPortalRefusal refusal;
} Bench;

static void
set_up (Bench *b, uint64_t budget_ns, bool is_patient)
{
  FzPhoenixChannelConfig config = {
    .topic = "client",
    .join_payload = "null",
    .hello_event = "hello",
    .hello_payload = "{}",
    .budget_ns = budget_ns,
    .is_patient = is_patient,
  };

  *b = (Bench){ .now = 1000 * FZ_S };
  fz_seeded_rng_init (&b->seeded, 1);
  portal_test_log_init (&b->log);
  config.rng = fz_seeded_rng (&b->seeded);
  config.log = portal_test_log_get (&b->log);
  b->channel = fz_phoenix_channel_new (&config);
}

static void
tear_down (Bench *b)
{
  fz_phoenix_channel_free (b->channel);
  portal_test_log_clear (&b->log);
}

/* "send EVENT REF" of a frame of ours. */
static void
describe_sent (GString *out, const char *frame)
{
  g_autoptr (JsonNode) root = json_from_string (frame, NULL);
  JsonObject *object = json_node_get_object (root);

  g_assert_cmpuint (json_object_get_size (object), ==, 4);
  g_string_append_printf (out,
                          "send %s %d",
                          json_object_get_string_member (object, "event"),
                          (int) json_object_get_int_member (object, "ref"));
}

/* Everything put out since the last call, joined by commas. */
static char *
drain (Bench *b)
{
  GString *out = g_string_new (NULL);

  for (;;) {
    g_auto (FzChannelOut) one = { 0 };

    if (!fz_phoenix_channel_poll (b->channel, &one))
      return g_string_free (out, FALSE);
    if (out->len > 0)
      g_string_append (out, ", ");
    switch (one.kind) {
    case FZ_CHANNEL_OUT_DIAL:
      g_string_append (out, "dial");
      break;
    case FZ_CHANNEL_OUT_SEND:
      describe_sent (out, one.text);
      break;
    case FZ_CHANNEL_OUT_CLOSE_TRANSPORT:
      g_string_append (out, "close");
      break;
    case FZ_CHANNEL_OUT_DROP_TRANSPORT:
      g_string_append (out, "drop");
      break;
    case FZ_CHANNEL_OUT_CONNECTED:
      g_string_append (out, "connected");
      break;
    case FZ_CHANNEL_OUT_DISCONNECTED:
      b->delay_ns = one.delay_ns;
      b->refusal = one.refusal;
      g_string_append (out, "disconnected");
      break;
    case FZ_CHANNEL_OUT_MESSAGE:
      g_string_append_printf (out, "message %s", one.text);
      break;
    case FZ_CHANNEL_OUT_FAILED:
      b->error_code = one.error->code;
      g_assert_cmpuint (one.error->domain, ==, FZ_PORTAL_ERROR);
      g_string_append (out, "failed");
      break;
    case FZ_CHANNEL_OUT_CLOSED:
      g_string_append (out, "closed");
      break;
    }
  }
}

#define assert_out(b, expected)                                                                    \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_autofree char *out_ = drain (b);                                                             \
    g_assert_cmpstr (out_, ==, (expected));                                                        \
  }                                                                                                \
  G_STMT_END

static void
hear (Bench *b, const char *text)
{
  fz_phoenix_channel_handle_text (b->channel, text, strlen (text), b->now);
}

static void
reply (Bench *b, const char *topic, unsigned ref, const char *status, const char *response)
{
  g_autofree char *text = g_strdup_printf (
      "{\"topic\":\"%s\",\"event\":\"phx_reply\",\"ref\":%u,\"payload\":{\"status\":\"%s\","
      "\"response\":%s}}",
      topic,
      ref,
      status,
      response);

  hear (b, text);
}

static void
pass (Bench *b, uint64_t duration_ns)
{
  b->now += duration_ns;
  fz_phoenix_channel_handle_timeout (b->channel, b->now);
}

static void
go_dialling (Bench *b)
{
  const FzInstant at = b->now;

  fz_phoenix_channel_connect (b->channel, at);
  assert_out (b, "dial");
}

static void
go_joining (Bench *b)
{
  go_dialling (b);
  fz_phoenix_channel_handle_upgraded (b->channel, b->now);
  assert_out (b, "send phx_join 0");
}

static void
go_joined (Bench *b)
{
  go_joining (b);
  reply (b, "client", 0, "ok", "{}");
  assert_out (b, "send hello 1, connected");
}

/* From waiting to joined, as after a hiccup. */
static void
rejoin (Bench *b)
{
  pass (b, b->delay_ns);
  assert_out (b, "dial");
  fz_phoenix_channel_handle_upgraded (b->channel, b->now);
  reply (b, "client", 0, "ok", "{}");
  assert_out (b, "send phx_join 0, send hello 1, connected");
}

/* -- edges -- */

static void
test_join (Bench *b, gconstpointer data)
{
  go_joined (b);
  g_assert_cmpint (fz_phoenix_channel_get_state (b->channel), ==, FZ_CHANNEL_JOINED);
  hear (b, "{\"topic\":\"client\",\"event\":\"init\",\"payload\":{},\"ref\":null}");
  assert_out (b, "message init");
  hear (b, "{\"topic\":\"other\",\"event\":\"init\",\"payload\":{},\"ref\":null}");
  assert_out (b, "");
}

static void
test_message_before_join_reply (Bench *b, gconstpointer data)
{
  go_joining (b);
  hear (b, "{\"topic\":\"client\",\"event\":\"init\",\"payload\":{},\"ref\":null}");
  assert_out (b, "message init");
}

static void
test_queue_waits_for_join (Bench *b, gconstpointer data)
{
  go_joining (b);
  fz_phoenix_channel_send (b->channel, "one", "{}", b->now);
  fz_phoenix_channel_send (b->channel, "two", "{\"a\":1}", b->now);
  fz_phoenix_channel_send (b->channel, "one", "{}", b->now);
  fz_phoenix_channel_send (b->channel, "two", "{\"a\":2}", b->now);
  assert_out (b, "");
  reply (b, "client", 0, "ok", "{}");
  assert_out (b, "send hello 1, connected, send one 2, send two 3, send two 4");
  fz_phoenix_channel_send (b->channel, "one", "{}", b->now);
  assert_out (b, "send one 5");
}

static void
test_queue_is_bounded (Bench *b, gconstpointer data)
{
  go_joining (b);
  for (unsigned i = 0; i <= FZ_CHANNEL_QUEUED_MAX; i++) {
    g_autofree char *payload = g_strdup_printf ("%u", i);

    g_assert_cmpstr (b->log.warnings->str, ==, "");
    fz_phoenix_channel_send (b->channel, "x", payload, b->now);
  }
  g_assert_cmpstr (b->log.warnings->str, ==, "portal-queue-full");
}

static void
test_send_while_away_is_dropped (Bench *b, gconstpointer data)
{
  fz_phoenix_channel_send (b->channel, "one", "{}", b->now);
  go_dialling (b);
  fz_phoenix_channel_send (b->channel, "two", "{}", b->now);
  fz_phoenix_channel_handle_upgraded (b->channel, b->now);
  fz_phoenix_channel_send (b->channel, "three", "{}", b->now);
  fz_phoenix_channel_handle_lost (b->channel, "cut", b->now);
  assert_out (b, "send phx_join 0, drop, disconnected");
  rejoin (b); /* "three" was for the connection that ended */
}

static void
test_join_refused (Bench *b, gconstpointer data)
{
  go_joining (b);
  reply (b, "client", 0, "error", "{\"reason\":\"disabled\"}");
  assert_out (b, "drop, failed");
  g_assert_cmpint (b->error_code, ==, FZ_PORTAL_ERROR_LOGIN_FAILED);
  g_assert_cmpuint (fz_phoenix_channel_next_timeout (b->channel), ==, FZ_INSTANT_NEVER);
}

static void
test_join_unmatched_is_refused (Bench *b, gconstpointer data)
{
  go_joining (b);
  reply (b, "client", 0, "error", "{\"reason\":\"unmatched topic\"}");
  assert_out (b, "drop, failed");
}

static void
test_join_answered_with_null (Bench *b, gconstpointer data)
{
  go_joining (b);
  reply (b, "client", 0, "ok", "null");
  assert_out (b, "");
  pass (b, 5 * FZ_S);
  assert_out (b, "drop, disconnected");
}

static void
test_join_answered_for_another_topic (Bench *b, gconstpointer data)
{
  go_joining (b);
  reply (b, "elsewhere", 0, "ok", "{}");
  assert_out (b, "");
}

static void
test_join_times_out (Bench *b, gconstpointer data)
{
  go_joining (b);
  g_assert_cmpuint (fz_phoenix_channel_next_timeout (b->channel), ==, b->now + 5 * FZ_S);
  pass (b, 5 * FZ_S - 1);
  assert_out (b, "");
  pass (b, 1);
  assert_out (b, "drop, disconnected");
  g_assert_cmpuint (b->delay_ns, ==, 1 * FZ_S);
}

static void
test_rejoin_on_same_transport (Bench *b, gconstpointer data)
{
  go_joined (b);
  fz_phoenix_channel_send (b->channel, "one", "{}", b->now);
  assert_out (b, "send one 2");
  reply (b, "client", 2, "error", "{\"reason\":\"unmatched topic\"}");
  assert_out (b, "send phx_join 3");
  reply (b, "client", 3, "ok", "{}");
  assert_out (b, "send hello 4, connected");
}

static void
test_other_error_reply (Bench *b, gconstpointer data)
{
  go_joined (b);
  reply (b, "client", 1, "error", "{\"reason\":\"unknown_message\"}");
  reply (b, "phoenix", 1, "error", "{\"reason\":\"unmatched topic\"}");
  assert_out (b, "");
  g_assert_cmpint (fz_phoenix_channel_get_state (b->channel), ==, FZ_CHANNEL_JOINED);
}

static void
test_heartbeats (Bench *b, gconstpointer data)
{
  go_joined (b);
  for (unsigned i = 0; i < 20; i++) {
    g_autofree char *expected = g_strdup_printf ("send heartbeat %u", i + 2);

    pass (b, 10 * FZ_S);
    assert_out (b, expected);
    reply (b, "phoenix", i + 2, "ok", "{}");
  }
  g_assert_cmpint (fz_phoenix_channel_get_state (b->channel), ==, FZ_CHANNEL_JOINED);
}

/* While the portal answers, a heartbeat may wait a little for something else to do; it goes out as
 * soon as anybody is awake. */
static void
test_heartbeat_with_company (Bench *b, gconstpointer data)
{
  FzInstant due;

  go_joined (b);
  due = b->now + FZ_CHANNEL_HEARTBEAT_NS;
  g_assert_false (fz_phoenix_channel_is_due (b->channel, due - 1));
  g_assert_true (fz_phoenix_channel_is_due (b->channel, due));
  g_assert_cmpuint (
      fz_phoenix_channel_next_timeout (b->channel), ==, due + FZ_CHANNEL_HEARTBEAT_LATE_NS);
  pass (b, FZ_CHANNEL_HEARTBEAT_NS - 1);
  assert_out (b, "");
  pass (b, FZ_S);
  assert_out (b, "send heartbeat 2");
  g_assert_false (fz_phoenix_channel_is_due (b->channel, b->now));

  /* unanswered: the next one comes on time, and the end of a dead connection with it */
  g_assert_cmpuint (
      fz_phoenix_channel_next_timeout (b->channel), ==, b->now + FZ_CHANNEL_HEARTBEAT_NS);
  reply (b, "phoenix", 2, "ok", "{}");
  g_assert_cmpuint (fz_phoenix_channel_next_timeout (b->channel),
                    ==,
                    b->now + FZ_CHANNEL_HEARTBEAT_NS + FZ_CHANNEL_HEARTBEAT_LATE_NS);
}

static void
test_heartbeats_unanswered (Bench *b, gconstpointer data)
{
  go_joined (b);
  for (unsigned i = 0; i < 3; i++)
    pass (b, 10 * FZ_S);
  assert_out (b, "send heartbeat 2, send heartbeat 3, send heartbeat 4");
  reply (b, "phoenix", 3, "ok", "{}"); /* one of them; by its number */
  reply (b, "phoenix", 3, "ok", "{}"); /* twice counts once */
  pass (b, 10 * FZ_S);
  assert_out (b, "send heartbeat 5");
  pass (b, 10 * FZ_S);
  assert_out (b, "send heartbeat 6, drop, disconnected");
}

static void
test_heartbeat_before_join_reply (Bench *b, gconstpointer data)
{
  go_joined (b);
  pass (b, 7 * FZ_S);
  reply (b, "client", 1, "error", "{\"reason\":\"unmatched topic\"}");
  assert_out (b, "send phx_join 2");
  pass (b, 3 * FZ_S); /* the join is still unanswered */
  assert_out (b, "send heartbeat 3");
  pass (b, 2 * FZ_S);
  assert_out (b, "drop, disconnected");
}

static void
test_token_expired (Bench *b, gconstpointer data)
{
  go_joined (b);
  hear (b,
        "{\"topic\":\"client\",\"event\":\"disconnect\",\"payload\":{\"reason\":\"token_expired\"},"
        "\"ref\":null}");
  assert_out (b, "drop, failed");
  g_assert_cmpint (b->error_code, ==, FZ_PORTAL_ERROR_INVALID_TOKEN);
}

static void
test_frames_that_change_nothing (Bench *b, gconstpointer data)
{
  static const struct {
    const char *text;
    const char *warning;
  } rows[] = {
    { "{\"topic\":\"client\",\"event\":\"disconnect\",\"payload\":{\"reason\":\"bored\"},"
      "\"ref\":null}",
      "portal-bad-frame" },
    { "{\"topic\":\"client\",\"event\":\"phx_error\",\"payload\":{},\"ref\":null}", "" },
    { "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":null,\"payload\":{\"status\":\"ok\","
      "\"response\":{}}}",
      "portal-reply-without-ref" },
    { "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":\"0\",\"payload\":{\"status\":\"ok\","
      "\"response\":{}}}",
      "portal-bad-frame" },
    { "{\"topic\":\"client\",\"event\":\"phx_reply\",\"ref\":99,\"payload\":{\"status\":\"ok\","
      "\"response\":{}}}",
      "" },
    { "[]", "portal-bad-frame" },
    { "no json", "portal-bad-frame" },
  };

  go_joined (b);
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_string_truncate (b->log.warnings, 0);
    hear (b, rows[i].text);
    assert_out (b, "");
    g_assert_cmpstr (b->log.warnings->str, ==, rows[i].warning);
    g_assert_cmpint (fz_phoenix_channel_get_state (b->channel), ==, FZ_CHANNEL_JOINED);
  }
  g_string_truncate (b->log.warnings, 0);
  fz_phoenix_channel_handle_binary (b->channel);
  g_assert_cmpstr (b->log.warnings->str, ==, "portal-binary-frame");
}

static void
test_frames_that_end_the_connection (Bench *b, gconstpointer data)
{
  static const char *const texts[] = {
    "{\"topic\":\"client\",\"event\":\"phx_close\",\"payload\":{},\"ref\":null}",
    "{\"topic\":\"client\",\"ev",
    "",
  };

  go_joined (b);
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    hear (b, texts[i]);
    assert_out (b, "drop, disconnected");
    rejoin (b);
  }
}

static void
test_frames_after_the_end (Bench *b, gconstpointer data)
{
  go_joined (b);
  fz_phoenix_channel_handle_lost (b->channel, "cut", b->now);
  assert_out (b, "drop, disconnected");
  hear (b, "{\"topic\":\"client\",\"event\":\"init\",\"payload\":{},\"ref\":null}");
  fz_phoenix_channel_handle_lost (b->channel, "cut again", b->now);
  fz_phoenix_channel_handle_upgraded (b->channel, b->now);
  assert_out (b, "");
}

/* -- refusals and back-off -- */

static const struct {
  const char *name;
  FzChannelRefusal refusal;
  int error_code; /* -1: retryable */
  uint64_t delay_ns;
} refusals[] = {
  { "401-invalid", { 401, "invalid_token", "no", false, 0 }, FZ_PORTAL_ERROR_INVALID_TOKEN, 0 },
  { "401-missing", { 401, "missing_token", NULL, false, 0 }, FZ_PORTAL_ERROR_INVALID_TOKEN, 0 },
  { "401-other-code", { 401, "odd", NULL, false, 0 }, FZ_PORTAL_ERROR_AUTHENTICATION_FAILED, 0 },
  { "401-plain", { 401, NULL, NULL, false, 0 }, FZ_PORTAL_ERROR_AUTHENTICATION_FAILED, 0 },
  { "401-retry-after", { 401, NULL, NULL, true, 9 }, FZ_PORTAL_ERROR_AUTHENTICATION_FAILED, 0 },
  { "403-invalid-token-code", { 403, "invalid_token", NULL, false, 0 }, -1, 1 * FZ_S },
  { "301", { 301, NULL, NULL, false, 0 }, -1, 1 * FZ_S },
  { "400", { 400, "invalid_connect_params", "name is bad", false, 0 }, -1, 1 * FZ_S },
  { "402", { 402, "limits_exceeded", NULL, false, 0 }, -1, 1 * FZ_S },
  { "403", { 403, NULL, NULL, false, 0 }, -1, 1 * FZ_S },
  { "403-account", { 403, "account_disabled", "no", false, 0 }, -1, 1 * FZ_S },
  { "404", { 404, NULL, NULL, false, 0 }, -1, 1 * FZ_S },
  { "409", { 409, "gateway_already_connected", NULL, false, 0 }, -1, 1 * FZ_S },
  { "426", { 426, NULL, NULL, false, 0 }, -1, 1 * FZ_S },
  { "429", { 429, NULL, NULL, true, 30 }, -1, 30 * FZ_S },
  { "503", { 503, "rate_limit", NULL, true, 1 }, -1, 1 * FZ_S },
  { "503-now", { 503, NULL, NULL, true, 0 }, -1, 0 },
  { "503-forever", { 503, NULL, NULL, true, UINT64_MAX }, -1, FZ_CHANNEL_RETRY_AFTER_MAX_S *FZ_S },
};

/* Who is to blame, as far as the portal says. */
static void
test_refusals_mean (void)
{
  static const struct {
    unsigned status;
    const char *code;
    FzPortalRefusal refusal;
  } rows[] = {
    { 400, "invalid_connect_params", FZ_PORTAL_REFUSAL_DEVICE },
    { 400, NULL, FZ_PORTAL_REFUSAL_NONE },
    { 402, "limits_exceeded", FZ_PORTAL_REFUSAL_DEVICE },
    { 403, "account_disabled", FZ_PORTAL_REFUSAL_ACCOUNT },
    { 403, "device_untrusted", FZ_PORTAL_REFUSAL_DEVICE },
    { 403, "certificate_revoked", FZ_PORTAL_REFUSAL_DEVICE },
    { 403, "unauthenticated", FZ_PORTAL_REFUSAL_DEVICE },
    { 403, NULL, FZ_PORTAL_REFUSAL_NONE }, /* a proxy's */
    { 404, "account_disabled", FZ_PORTAL_REFUSAL_NONE },
    { 409, "device_identity_conflict", FZ_PORTAL_REFUSAL_DEVICE },
    { 409, "gateway_already_connected", FZ_PORTAL_REFUSAL_NONE },
    { 426, NULL, FZ_PORTAL_REFUSAL_VERSION },
    { 500, "unhandled_connect_error", FZ_PORTAL_REFUSAL_NONE },
    { 503, "rate_limit", FZ_PORTAL_REFUSAL_NONE },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (fz_portal_refusal_of (rows[i].status, rows[i].code), ==, rows[i].refusal);
}

static void
test_refusal (Bench *b, gconstpointer data)
{
  size_t i = GPOINTER_TO_SIZE (data);

  go_dialling (b);
  fz_phoenix_channel_handle_refused (b->channel, &refusals[i].refusal, b->now);
  if (refusals[i].error_code >= 0) {
    assert_out (b, "drop, failed");
    g_assert_cmpint (b->error_code, ==, refusals[i].error_code);
  } else {
    assert_out (b, "drop, disconnected");
    g_assert_cmpuint (b->delay_ns, ==, refusals[i].delay_ns);
    g_assert_cmpint (b->refusal,
                     ==,
                     fz_portal_refusal_of (refusals[i].refusal.status, refusals[i].refusal.code));
    g_assert_cmpuint (
        fz_phoenix_channel_next_timeout (b->channel), ==, b->now + refusals[i].delay_ns);
  }
}

static void
test_first_connect_gives_up (Bench *b, gconstpointer data)
{
  go_dialling (b);
  for (int i = 0; i < 15; i++) {
    fz_phoenix_channel_handle_lost (b->channel, "no route", b->now);
    assert_out (b, "drop, disconnected");
    g_assert_cmpuint (b->delay_ns, ==, 1 * FZ_S);
    pass (b, 1 * FZ_S);
    assert_out (b, "dial");
  }
  fz_phoenix_channel_handle_lost (b->channel, "no route", b->now);
  assert_out (b, "drop, failed");
  g_assert_cmpint (b->error_code, ==, FZ_PORTAL_ERROR_RETRIES_EXHAUSTED);
}

/* A service nobody waits for: days without a portal, then there it is. */
static void
test_first_connect_with_patience (void)
{
  Bench b;

  set_up (&b, FZ_BACKOFF_UNLIMITED, true);
  go_dialling (&b);
  for (int i = 0; i < 5000; i++) {
    fz_phoenix_channel_handle_lost (b.channel, "no route", b.now);
    assert_out (&b, "drop, disconnected");
    g_assert_cmpuint (b.delay_ns, <=, 120 * FZ_S);
    pass (&b, b.delay_ns);
    assert_out (&b, "dial");
  }
  tear_down (&b);
}

static void
test_retry_after_costs_nothing (Bench *b, gconstpointer data)
{
  const FzChannelRefusal busy = { 503, NULL, NULL, true, 5 };

  go_dialling (b);
  for (int i = 0; i < 100; i++) {
    fz_phoenix_channel_handle_refused (b->channel, &busy, b->now);
    assert_out (b, "drop, disconnected");
    pass (b, 5 * FZ_S);
    assert_out (b, "dial");
  }
}

static void
test_dialling_times_out (Bench *b, gconstpointer data)
{
  go_dialling (b);
  pass (b, 15 * FZ_S - 1);
  assert_out (b, "");
  pass (b, 1);
  assert_out (b, "drop, disconnected");
}

static void
test_backoff_after_join (Bench *b, gconstpointer data)
{
  uint64_t least_ns = 500 * FZ_MS;

  go_joined (b);
  for (int i = 0; i < 30; i++) {
    fz_phoenix_channel_handle_lost (b->channel, "cut", b->now);
    assert_out (b, "drop, disconnected");
    g_assert_cmpuint (b->delay_ns, >=, least_ns);
    g_assert_cmpuint (b->delay_ns, <=, 2 * least_ns);
    pass (b, b->delay_ns);
    assert_out (b, "dial");
    least_ns = MIN (least_ns * 3 / 2, 60 * FZ_S);
  }

  /* A join forgets all that. */
  fz_phoenix_channel_handle_upgraded (b->channel, b->now);
  reply (b, "client", 0, "ok", "{}");
  assert_out (b, "send phx_join 0, send hello 1, connected");
  fz_phoenix_channel_handle_lost (b->channel, "cut", b->now);
  assert_out (b, "drop, disconnected");
  g_assert_cmpuint (b->delay_ns, <, 1 * FZ_S);
}

static void
test_budget_after_join (void)
{
  Bench b;
  int n = 0;

  set_up (&b, 60 * FZ_S, false);
  go_joined (&b);
  for (; n < 1000 && b.error_code == 0; n++) {
    g_autofree char *out = NULL;

    fz_phoenix_channel_handle_lost (b.channel, "cut", b.now);
    out = drain (&b);
    if (strcmp (out, "drop, failed") == 0)
      break;
    pass (&b, b.delay_ns);
    assert_out (&b, "dial");
  }
  g_assert_cmpint (n, >, 5);
  g_assert_cmpint (n, <, 12);
  g_assert_cmpint (b.error_code, ==, FZ_PORTAL_ERROR_RETRIES_EXHAUSTED);
  tear_down (&b);
}

/* -- connect and close -- */

static void
test_reconnect (Bench *b, gconstpointer data)
{
  go_joined (b);
  fz_phoenix_channel_connect (b->channel, b->now);
  assert_out (b, "close, dial");
  fz_phoenix_channel_connect (b->channel, b->now);
  assert_out (b, "drop, dial");
  fz_phoenix_channel_handle_upgraded (b->channel, b->now);
  assert_out (b, "send phx_join 0");
}

static void
test_reconnect_while_waiting (Bench *b, gconstpointer data)
{
  go_dialling (b);
  for (int i = 0; i < 15; i++) {
    fz_phoenix_channel_handle_lost (b->channel, "no route", b->now);
    pass (b, 1 * FZ_S);
  }
  g_free (drain (b));
  fz_phoenix_channel_connect (b->channel, b->now); /* forgets the spent budget */
  assert_out (b, "drop, dial");
  fz_phoenix_channel_handle_lost (b->channel, "no route", b->now);
  assert_out (b, "drop, disconnected");
}

static void
test_close (Bench *b, gconstpointer data)
{
  go_joined (b);
  fz_phoenix_channel_close (b->channel, b->now);
  assert_out (b, "close");
  fz_phoenix_channel_close (b->channel, b->now);
  fz_phoenix_channel_send (b->channel, "late", "{}", b->now);
  assert_out (b, "");
  fz_phoenix_channel_handle_lost (b->channel, "closed", b->now);
  assert_out (b, "drop, closed");
  fz_phoenix_channel_connect (b->channel, b->now);
  assert_out (b, "dial");
}

static void
test_close_unanswered (Bench *b, gconstpointer data)
{
  go_joining (b);
  fz_phoenix_channel_close (b->channel, b->now);
  assert_out (b, "close");
  pass (b, 1 * FZ_S);
  assert_out (b, "drop, closed");
}

static void
test_close_while_not_joined (Bench *b, gconstpointer data)
{
  fz_phoenix_channel_close (b->channel, b->now);
  assert_out (b, "closed");
  go_dialling (b);
  fz_phoenix_channel_close (b->channel, b->now);
  assert_out (b, "drop, closed");
  go_dialling (b);
  fz_phoenix_channel_handle_lost (b->channel, "cut", b->now);
  assert_out (b, "drop, disconnected");
  fz_phoenix_channel_close (b->channel, b->now);
  assert_out (b, "closed");
  pass (b, 100 * FZ_S);
  assert_out (b, "");
}

static void
test_timeout_early_and_twice (Bench *b, gconstpointer data)
{
  go_joined (b);
  fz_phoenix_channel_handle_timeout (b->channel, b->now);
  fz_phoenix_channel_handle_timeout (b->channel, b->now + 1);
  assert_out (b, "");
  pass (b, 10 * FZ_S);
  fz_phoenix_channel_handle_timeout (b->channel, b->now);
  assert_out (b, "send heartbeat 2");
  pass (b, 3600 * FZ_S); /* back from suspend: one heartbeat, not hundreds */
  assert_out (b, "send heartbeat 3");
}

static void
fixture_set_up (Bench *b, gconstpointer data)
{
  set_up (b, FZ_BACKOFF_UNLIMITED, false);
}

static void
fixture_tear_down (Bench *b, gconstpointer data)
{
  tear_down (b);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*func) (Bench *b, gconstpointer data);
  } tests[] = {
    { "/channel/join/accepted", test_join },
    { "/channel/join/message-before-reply", test_message_before_join_reply },
    { "/channel/join/refused", test_join_refused },
    { "/channel/join/refused-as-unmatched", test_join_unmatched_is_refused },
    { "/channel/join/answered-with-null", test_join_answered_with_null },
    { "/channel/join/answered-for-another-topic", test_join_answered_for_another_topic },
    { "/channel/join/times-out", test_join_times_out },
    { "/channel/join/again-on-same-transport", test_rejoin_on_same_transport },
    { "/channel/send/waits-for-join", test_queue_waits_for_join },
    { "/channel/send/queue-is-bounded", test_queue_is_bounded },
    { "/channel/send/dropped-while-away", test_send_while_away_is_dropped },
    { "/channel/receive/other-error-reply", test_other_error_reply },
    { "/channel/receive/token-expired", test_token_expired },
    { "/channel/receive/changes-nothing", test_frames_that_change_nothing },
    { "/channel/receive/ends-the-connection", test_frames_that_end_the_connection },
    { "/channel/receive/after-the-end", test_frames_after_the_end },
    { "/channel/heartbeat/answered", test_heartbeats },
    { "/channel/heartbeat/with-company", test_heartbeat_with_company },
    { "/channel/heartbeat/unanswered", test_heartbeats_unanswered },
    { "/channel/heartbeat/before-join-reply", test_heartbeat_before_join_reply },
    { "/channel/retry/first-connect-gives-up", test_first_connect_gives_up },
    { "/channel/retry/retry-after-costs-nothing", test_retry_after_costs_nothing },
    { "/channel/retry/dialling-times-out", test_dialling_times_out },
    { "/channel/retry/after-join", test_backoff_after_join },
    { "/channel/reconnect/joined", test_reconnect },
    { "/channel/reconnect/waiting", test_reconnect_while_waiting },
    { "/channel/close/joined", test_close },
    { "/channel/close/unanswered", test_close_unanswered },
    { "/channel/close/not-joined", test_close_while_not_joined },
    { "/channel/timeout-early-and-twice", test_timeout_early_and_twice },
  };

  g_test_init (&argc, &argv, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Bench, NULL, fixture_set_up, tests[i].func, fixture_tear_down);
  for (size_t i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path = g_strdup_printf ("/channel/refused/%s", refusals[i].name);

    g_test_add (path, Bench, GSIZE_TO_POINTER (i), fixture_set_up, test_refusal, fixture_tear_down);
  }
  g_test_add_func ("/channel/retry/budget-after-join", test_budget_after_join);
  g_test_add_func ("/channel/retry/first-connect-with-patience", test_first_connect_with_patience);
  g_test_add_func ("/channel/refusals-mean", test_refusals_mean);
  return g_test_run ();
}

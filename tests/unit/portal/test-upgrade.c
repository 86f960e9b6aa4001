#include "src/portal/fz-portal-error.h"
#include "src/portal/fz-upgrade.h"

#include <string.h>

/* The key of RFC 6455 §1.3: "the sample nonce". */
static const uint8_t sample_key[FZ_UPGRADE_KEY_SIZE + 1] = "the sample nonce";

#define SWITCHING                                                                                  \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void
test_request (void)
{
  FzUpgradeRequest request = {
    .target = "/client/v2/websocket?external_id=x&public_key=y%3D",
    .host_header = "api.example.net",
    .user_agent = "Debian/12.0.0 headless-client/1.5.12",
    .token = ".SFMy.x.y",
  };
  GString *text;

  memcpy (request.key, sample_key, FZ_UPGRADE_KEY_SIZE);
  text = fz_upgrade_write_request (&request);
  g_assert_cmpstr (text->str,
                   ==,
                   "GET /client/v2/websocket?external_id=x&public_key=y%3D HTTP/1.1\r\n"
                   "Host: api.example.net\r\n"
                   "Connection: Upgrade\r\n"
                   "Upgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                   "User-Agent: Debian/12.0.0 headless-client/1.5.12\r\n"
                   "X-Authorization: Bearer .SFMy.x.y\r\n"
                   "\r\n");
  g_string_free (text, TRUE);

  request.token = NULL;
  text = fz_upgrade_write_request (&request);
  g_assert_null (strstr (text->str, "Authorization"));
  g_string_free (text, TRUE);
}

typedef struct {
  bool is_open;
  bool is_refused;
  FzChannelRefusal refusal;
  char *code;
  char *detail;
  char *problem;
  size_t n_left; /* bytes of the input that were not taken */
} Outcome;

static void
clear_outcome (Outcome *self)
{
  g_free (self->code);
  g_free (self->detail);
  g_free (self->problem);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, clear_outcome)

/* Feeds @text in steps of at most @step bytes, then ends the stream if more is wanted. */
static Outcome
run (const char *text, size_t step)
{
  g_autoptr (FzUpgradeReader) reader = fz_upgrade_reader_new (sample_key);
  g_autoptr (GError) error = NULL;
  Outcome out = { .n_left = strlen (text) };
  size_t wanted;
  bool is_good = true;

  while (is_good && (wanted = fz_upgrade_reader_wants (reader)) > 0) {
    size_t n = MIN (MIN (wanted, step), out.n_left);

    is_good = n > 0 ? fz_upgrade_reader_feed (reader, text, n, &error)
                    : fz_upgrade_reader_end (reader, &error);
    text += n;
    out.n_left -= n;
  }
  if (is_good) {
    out.is_open = fz_upgrade_reader_get_result (reader, 1445412480 - 60, &out.refusal, &error);
    out.is_refused = !out.is_open && error == NULL;
  }
  out.code = g_strdup (out.refusal.code);
  out.detail = g_strdup (out.refusal.detail);
  out.problem = g_strdup (error != NULL ? error->message : NULL);
  return out;
}

static void
test_accepted (void)
{
  static const char *const texts[] = {
    SWITCHING ACCEPT "\r\n",
    "HTTP/1.1 101 \r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n" ACCEPT "\r\n",
  };

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++)
    for (size_t step = 1; step < 200; step++) {
      g_autofree char *with_frame = g_strconcat (texts[i], "\x81\x02{}", NULL);
      g_auto (Outcome) outcome = run (with_frame, step);

      g_assert_true (outcome.is_open);
      g_assert_cmpuint (outcome.n_left, ==, 4); /* the first frame stays in the stream */
    }
}

static void
test_not_an_upgrade (void)
{
  static const char *const texts[] = {
    "",
    "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/1.1 101 Switching",
    SWITCHING "\r\n",
    SWITCHING "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" ACCEPT "\r\n",
    SWITCHING ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    SWITCHING ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n",
  };

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_auto (Outcome) outcome = run (texts[i], 4);

    g_assert_false (outcome.is_open);
    g_assert_false (outcome.is_refused);
    g_assert_nonnull (outcome.problem);
  }
}

#define PROBLEM                                                                                    \
  "{\"type\":\"about:blank\",\"status\":401,\"detail\":\"unknown "                                 \
  "here\",\"code\":\"invalid_token\"}"

static const struct {
  const char *name;
  const char *text;
  unsigned status;
  const char *code;
  const char *detail;
  int64_t retry_after_s; /* -1: none */
} refusals[] = {
  { "problem",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n"
    "Content-Length: 85\r\n\r\n" PROBLEM,
    401,
    "invalid_token",
    "unknown here",
    -1 },
  { "problem-with-parameters",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: Application/Problem+JSON; charset=utf-8\r\n"
    "Connection: close\r\n\r\n" PROBLEM,
    401,
    "invalid_token",
    "unknown here",
    -1 },
  { "problem-in-chunks",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
    "c\r\n{\"code\":\"inv\r\n10;ext=1\r\nalid_token\",\"x\":\r\n2\r\n1}\r\n0\r\n\r\n",
    401,
    "invalid_token",
    NULL,
    -1 },
  { "plain-json",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\r\n" PROBLEM,
    401,
    NULL,
    NULL,
    -1 },
  { "no-type", "HTTP/1.1 401 Unauthorized\r\n\r\n" PROBLEM, 401, NULL, NULL, -1 },
  { "torn-body",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n"
    "Content-Length: 500\r\n\r\n{\"code\":",
    401,
    NULL,
    NULL,
    -1 },
  { "code-no-string",
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n\r\n{\"code\":17}",
    401,
    NULL,
    NULL,
    -1 },
  { "detail-with-control-codes",
    "HTTP/1.1 400 Bad\r\nContent-Type: application/problem+json\r\n\r\n"
    "{\"code\":\"x\",\"detail\":\"a\\u001b[31mb\\nc\"}",
    400,
    "x",
    "a [31mb c",
    -1 },
  { "empty",
    "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n",
    503,
    NULL,
    NULL,
    1 },
  { "retry-date",
    "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n",
    429,
    NULL,
    NULL,
    60 },
  { "retry-past-date",
    "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: Wed, 21 Oct 2009 07:28:00 GMT\r\n\r\n",
    429,
    NULL,
    NULL,
    0 },
  { "retry-fraction",
    "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 1.5\r\n\r\n",
    503,
    NULL,
    NULL,
    -1 },
  { "retry-negative",
    "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: -1\r\n\r\n",
    503,
    NULL,
    NULL,
    -1 },
  { "retry-nonsense",
    "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: soon\r\n\r\n",
    503,
    NULL,
    NULL,
    -1 },
  { "redirect",
    "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
    302,
    NULL,
    NULL,
    -1 },
  { "ok-page", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, NULL, NULL, -1 },
};

static void
test_refusal (gconstpointer data)
{
  size_t i = GPOINTER_TO_SIZE (data);
  static const size_t steps[] = { 1, 3, 4096 };

  for (size_t s = 0; s < G_N_ELEMENTS (steps); s++) {
    g_auto (Outcome) outcome = run (refusals[i].text, steps[s]);

    g_assert_true (outcome.is_refused);
    g_assert_cmpuint (outcome.refusal.status, ==, refusals[i].status);
    g_assert_cmpstr (outcome.code, ==, refusals[i].code);
    g_assert_cmpstr (outcome.detail, ==, refusals[i].detail);
    g_assert_cmpint (outcome.refusal.has_retry_after, ==, refusals[i].retry_after_s >= 0);
    if (refusals[i].retry_after_s >= 0)
      g_assert_cmpuint (outcome.refusal.retry_after_s, ==, (uint64_t) refusals[i].retry_after_s);
  }
}

static void
test_bounds (void)
{
  GString *head = g_string_new ("HTTP/1.1 200 OK\r\n");
  GString *body = g_string_new ("HTTP/1.1 500 Oops\r\n\r\n");

  while (head->len < FZ_UPGRADE_HEAD_MAX)
    g_string_append (head, "X-Long: 0123456789012345678901234567890123456789\r\n");
  g_string_append (head, "\r\n");
  while (body->len < 2 * FZ_UPGRADE_BODY_MAX)
    g_string_append (body, "0123456789012345678901234567890123456789");
  {
    g_auto (Outcome) too_long = run (head->str, 4);
    g_auto (Outcome) cut = run (body->str, 4096);

    g_assert_nonnull (too_long.problem);
    g_assert_true (cut.is_refused);
    g_assert_cmpuint (cut.n_left, >, 0);
  }
  g_string_free (head, TRUE);
  g_string_free (body, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/upgrade/request", test_request);
  g_test_add_func ("/upgrade/accepted", test_accepted);
  g_test_add_func ("/upgrade/not-an-upgrade", test_not_an_upgrade);
  g_test_add_func ("/upgrade/bounds", test_bounds);
  for (size_t i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree char *path = g_strdup_printf ("/upgrade/refused/%s", refusals[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_refusal);
  }
  return g_test_run ();
}

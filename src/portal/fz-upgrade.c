/* fz-upgrade.c
 *
 * The portal may send its first frame right behind the answer, and the websocket
 * library takes over a stream from its next byte on. So the head is read in
 * steps that cannot pass its end: as many bytes as the blank line still lacks.
 */
#include "src/portal/fz-upgrade.h"

#include "src/portal/fz-json.h"
#include "src/portal/fz-portal-error.h"

#include <libsoup/soup.h>
#include <string.h>

#define ACCEPT_SUFFIX "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 §1.3 */
#define DETAIL_MAX    200                                    /* characters kept of a reason */

typedef enum {
  READER_HEAD,
  READER_BODY_COUNTED, /* body_left bytes to come */
  READER_BODY_CHUNKED, /* until the last chunk */
  READER_BODY_OPEN,    /* until the stream ends */
  READER_DONE,
} ReaderState;

struct FzUpgradeReader {
  ReaderState state;
  char *expected_accept;
  GString *head;
  GString *body;
  size_t body_left;
  guint status;
  SoupMessageHeaders *headers;
  char *code;
  char *detail;
};

/* -- request -- */

static char *
encode_key (const uint8_t key[FZ_UPGRADE_KEY_SIZE])
{
  return g_base64_encode (key, FZ_UPGRADE_KEY_SIZE);
}

GString *
fz_upgrade_write_request (const FzUpgradeRequest *request)
{
  g_autofree char *key = encode_key (request->key);
  /* One allocation for everything, so that no stale copy of the token stays behind in the heap. */
  GString *out = g_string_sized_new (512 + strlen (request->target) + strlen (request->user_agent) +
                                     strlen (request->host_header) +
                                     (request->token != NULL ? strlen (request->token) : 0));

  g_string_append_printf (out,
                          "GET %s HTTP/1.1\r\n"
                          "Host: %s\r\n"
                          "Connection: Upgrade\r\n"
                          "Upgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: %s\r\n"
                          "User-Agent: %s\r\n",
                          request->target,
                          request->host_header,
                          key,
                          request->user_agent);
  if (request->token != NULL) {
    g_string_append (out, "X-Authorization: Bearer ");
    g_string_append (out, request->token);
    g_string_append (out, "\r\n");
  }
  g_string_append (out, "\r\n");
  return out;
}

/* -- answer -- */

static char *
compute_accept (const uint8_t key[FZ_UPGRADE_KEY_SIZE])
{
  g_autoptr (GChecksum) sha1 = g_checksum_new (G_CHECKSUM_SHA1);
  g_autofree char *encoded = encode_key (key);
  guint8 digest[20];
  gsize length = sizeof digest;

  g_checksum_update (sha1, (const guchar *) encoded, -1);
  g_checksum_update (sha1, (const guchar *) ACCEPT_SUFFIX, -1);
  g_checksum_get_digest (sha1, digest, &length);
  return g_base64_encode (digest, length);
}

FzUpgradeReader *
fz_upgrade_reader_new (const uint8_t key[FZ_UPGRADE_KEY_SIZE])
{
  FzUpgradeReader *self = g_new0 (FzUpgradeReader, 1);

  self->expected_accept = compute_accept (key);
  self->head = g_string_new (NULL);
  self->body = g_string_new (NULL);
  self->headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  return self;
}

void
fz_upgrade_reader_free (FzUpgradeReader *self)
{
  if (self == NULL)
    return;

  g_free (self->expected_accept);
  g_string_free (self->head, TRUE);
  g_string_free (self->body, TRUE);
  soup_message_headers_unref (self->headers);
  g_free (self->code);
  g_free (self->detail);
  g_free (self);
}

/* Bytes of "\r\n\r\n" that the end of @head lacks. */
static size_t
missing_of_blank_line (const GString *head)
{
  if (g_str_has_suffix (head->str, "\r\n\r\n"))
    return 0;
  if (g_str_has_suffix (head->str, "\r\n\r"))
    return 1;
  if (g_str_has_suffix (head->str, "\r\n"))
    return 2;
  if (g_str_has_suffix (head->str, "\r"))
    return 3;
  return 4;
}

size_t
fz_upgrade_reader_wants (const FzUpgradeReader *self)
{
  switch (self->state) {
  case READER_HEAD:
    return missing_of_blank_line (self->head);
  case READER_BODY_COUNTED:
    return self->body_left;
  case READER_BODY_CHUNKED:
  case READER_BODY_OPEN:
    return FZ_UPGRADE_BODY_MAX - self->body->len;
  case READER_DONE:
    return 0;
  }
  g_assert_not_reached ();
}

/* Chunks of @raw joined; whatever is wrong ends the text early. */
static GString *
join_chunks (const GString *raw)
{
  GString *out = g_string_new (NULL);
  const char *at = raw->str, *end = raw->str + raw->len;

  while (at < end) {
    char *line_end = NULL;
    guint64 size = g_ascii_strtoull (at, &line_end, 16);
    const char *data = line_end != NULL ? strstr (line_end, "\r\n") : NULL;

    if (line_end == at || data == NULL || size == 0 || size > (guint64) (end - data) - 2)
      break;
    g_string_append_len (out, data + 2, (gssize) size);
    at = data + 2 + size;
    if (end - at < 2)
      break;
    at += 2;
  }
  return out;
}

static void
finish_body (FzUpgradeReader *self)
{
  if (self->state == READER_BODY_CHUNKED) {
    GString *joined = join_chunks (self->body);

    g_string_free (self->body, TRUE);
    self->body = joined;
  }
  self->state = READER_DONE;
}

static void
finish_head (FzUpgradeReader *self)
{
  const char *coding = soup_message_headers_get_list (self->headers, "Transfer-Encoding");
  const char *length = soup_message_headers_get_one (self->headers, "Content-Length");
  guint64 n = 0;

  if (self->status == SOUP_STATUS_SWITCHING_PROTOCOLS || self->status == SOUP_STATUS_NO_CONTENT ||
      self->status == SOUP_STATUS_NOT_MODIFIED) {
    self->state = READER_DONE;
  } else if (coding != NULL) {
    self->state = READER_BODY_CHUNKED;
  } else if (length != NULL && g_ascii_string_to_unsigned (length, 10, 0, G_MAXUINT64, &n, NULL)) {
    self->body_left = (size_t) MIN (n, FZ_UPGRADE_BODY_MAX);
    self->state = self->body_left > 0 ? READER_BODY_COUNTED : READER_DONE;
  } else {
    self->state = READER_BODY_OPEN;
  }
}

static bool
feed_head (FzUpgradeReader *self, const char *data, size_t length, GError **error)
{
  g_string_append_len (self->head, data, (gssize) length);
  if (missing_of_blank_line (self->head) > 0) {
    if (self->head->len < FZ_UPGRADE_HEAD_MAX)
      return true;
    g_set_error_literal (
        error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED, "the portal's HTTP answer is too long");
    return false;
  }

  if (strlen (self->head->str) != self->head->len ||
      !soup_headers_parse_response (
          self->head->str, (int) self->head->len - 2, self->headers, NULL, &self->status, NULL)) {
    g_set_error_literal (error,
                         FZ_PORTAL_ERROR,
                         FZ_PORTAL_ERROR_MALFORMED,
                         "the portal's answer is not HTTP; is the URL right?");
    return false;
  }
  finish_head (self);
  return true;
}

static void
feed_body (FzUpgradeReader *self, const char *data, size_t length)
{
  size_t n = MIN (length, FZ_UPGRADE_BODY_MAX - self->body->len);

  g_string_append_len (self->body, data, (gssize) n);
  if (self->state == READER_BODY_COUNTED) {
    self->body_left -= MIN (n, self->body_left);
    if (self->body_left == 0)
      finish_body (self);
  } else if (self->body->len == FZ_UPGRADE_BODY_MAX ||
             (self->state == READER_BODY_CHUNKED &&
              (strcmp (self->body->str, "0\r\n\r\n") == 0 ||
               g_str_has_suffix (self->body->str, "\r\n0\r\n\r\n")))) {
    finish_body (self);
  }
}

bool
fz_upgrade_reader_feed (FzUpgradeReader *self, const char *data, size_t length, GError **error)
{
  g_assert (length <= fz_upgrade_reader_wants (self));

  if (self->state == READER_HEAD)
    return feed_head (self, data, length, error);
  feed_body (self, data, length);
  return true;
}

bool
fz_upgrade_reader_end (FzUpgradeReader *self, GError **error)
{
  if (self->state == READER_HEAD) {
    g_set_error_literal (error,
                         FZ_PORTAL_ERROR,
                         FZ_PORTAL_ERROR_MALFORMED,
                         "the portal closed the connection before it answered");
    return false;
  }
  if (self->state != READER_DONE)
    finish_body (self);
  return true;
}

/* -- what it means -- */

/* Text of the portal that will stand in logs and on terminals, and there in quotes: short, one
 * line, no control codes, no quotes of its own. */
static char *
clean_text (const char *text)
{
  g_autofree char *valid = NULL;
  GString *clean;

  if (text == NULL)
    return NULL;
  valid = g_utf8_make_valid (text, -1);
  if (g_utf8_strlen (valid, -1) > DETAIL_MAX)
    *g_utf8_offset_to_pointer (valid, DETAIL_MAX) = '\0';
  for (char *p = valid; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = ' ';
  clean = g_string_new (valid);
  g_string_replace (clean, "\u201c", "\"", 0);
  g_string_replace (clean, "\u201d", "\"", 0);
  return g_string_free (clean, FALSE);
}

/* A word that stands in programs; anything else is no code. */
static char *
clean_code (const char *code)
{
  size_t n = code != NULL ? strspn (code, "abcdefghijklmnopqrstuvwxyz0123456789_-.") : 0;

  return n > 0 && code[n] == '\0' && n <= DETAIL_MAX ? g_strdup (code) : NULL;
}

static bool
is_problem_json (const char *content_type)
{
  g_autofree char *type = NULL;

  if (content_type == NULL)
    return false;
  type = g_strndup (content_type, strcspn (content_type, ";"));
  return g_ascii_strcasecmp (g_strstrip (type), "application/problem+json") == 0;
}

/* RFC 9457; a body that is none says nothing. */
static void
read_problem (FzUpgradeReader *self)
{
  g_autoptr (JsonNode) root = NULL;
  FzJsonReader r = FZ_JSON_READER_INIT;
  JsonObject *object;
  const char *code, *detail;

  if (!is_problem_json (soup_message_headers_get_one (self->headers, "Content-Type")))
    return;
  root = fz_json_parse (self->body->str, self->body->len, NULL);
  if (root == NULL)
    return;

  object = fz_json_object (&r, root, "problem");
  code = fz_json_get_optional_string (&r, object, "problem", "code");
  detail = fz_json_get_optional_string (&r, object, "problem", "detail");
  if (!r.ok)
    return;
  self->code = clean_code (code);
  self->detail = clean_text (detail);
}

/* Whole seconds, or an HTTP date; a date that has passed means now. */
static bool
read_retry_after (const char *text, int64_t unix_now, uint64_t *out_s)
{
  g_autoptr (GDateTime) date = NULL;
  guint64 seconds;

  if (text == NULL || *text == '\0')
    return false;
  if (g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &seconds, NULL)) {
    *out_s = seconds;
    return true;
  }
  if (!g_ascii_isalpha (*text) || (date = soup_date_time_new_from_http_string (text)) == NULL)
    return false;
  *out_s = (uint64_t) MAX (g_date_time_to_unix (date) - unix_now, 0);
  return true;
}

static const char *
find_upgrade_problem (FzUpgradeReader *self)
{
  SoupMessageHeaders *h = self->headers;
  const char *accept = soup_message_headers_get_one (h, "Sec-WebSocket-Accept");

  if (!soup_message_headers_header_contains (h, "Upgrade", "websocket") ||
      !soup_message_headers_header_contains (h, "Connection", "Upgrade"))
    return "the portal's answer does not switch to a websocket";
  if (accept == NULL || strcmp (accept, self->expected_accept) != 0)
    return "the portal's answer is not for our request; a proxy may have replayed it";
  if (soup_message_headers_get_list (h, "Sec-WebSocket-Extensions") != NULL ||
      soup_message_headers_get_one (h, "Sec-WebSocket-Protocol") != NULL)
    return "the portal chose a websocket extension that was not offered";
  return NULL;
}

bool
fz_upgrade_reader_get_result (FzUpgradeReader *self,
                              int64_t unix_now,
                              FzChannelRefusal *out,
                              GError **error)
{
  const char *problem;

  g_assert (self->state == READER_DONE);

  if (self->status != SOUP_STATUS_SWITCHING_PROTOCOLS) {
    FzChannelRefusal refusal = { .status = self->status };

    if (self->code == NULL && self->detail == NULL)
      read_problem (self);
    refusal.code = self->code;
    refusal.detail = self->detail;
    refusal.has_retry_after =
        read_retry_after (soup_message_headers_get_one (self->headers, "Retry-After"),
                          unix_now,
                          &refusal.retry_after_s);
    *out = refusal;
    return false;
  }

  problem = find_upgrade_problem (self);
  if (problem != NULL) {
    g_set_error_literal (error, FZ_PORTAL_ERROR, FZ_PORTAL_ERROR_MALFORMED, problem);
    return false;
  }
  return true;
}

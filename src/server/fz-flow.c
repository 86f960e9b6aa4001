/* fz-flow.c
 *
 * See fz-flow.h. The answer is a form inside an XChaCha20-Poly1305 box, with the
 * time it was made as associated data in front; a form token is the time and an
 * HMAC over everything it is tied to.
 */
#include "src/server/fz-flow.h"

#include "src/base/fz-span.h"
#include "src/crypto/fz-crypto.h"

#include <string.h>

#define BROWSER_BYTES 32u
#define TIME_SIZE     8u

static const struct {
  const char *name;
  FzFlowKind kind;
} kinds[] = {
  { "gui-client", FZ_FLOW_GUI }, /* first: what we call it ourselves */
  { "client", FZ_FLOW_GUI },
  { "headless-client", FZ_FLOW_HEADLESS },
  { "", FZ_FLOW_NONE },
};

const char *
fz_flow_kind_name (FzFlowKind kind)
{
  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (kinds[i].kind == kind)
      return kinds[i].name;
  g_assert_not_reached ();
}

/* -- base64url without padding -- */

static char *
encode (const uint8_t *data, size_t length)
{
  char *text = g_base64_encode (data, length);

  text[strcspn (text, "=")] = '\0';
  for (char *p = text; *p != '\0'; p++)
    *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
  return text;
}

/* NULL for anything that encode () could not have made. */
static uint8_t *
decode (const char *text, size_t *out_length)
{
  g_autoptr (GString) padded = g_string_new (NULL);
  g_autofree uint8_t *data = NULL;
  g_autofree char *again = NULL;
  gsize length = 0;

  for (const char *p = text; *p != '\0'; p++) {
    if (!g_ascii_isalnum (*p) && *p != '-' && *p != '_')
      return NULL;
    g_string_append_c (padded, *p == '-' ? '+' : *p == '_' ? '/' : *p);
  }
  while (padded->len % 4 != 0)
    g_string_append_c (padded, '=');
  data = g_base64_decode (padded->str, &length);
  again = encode (data, length);
  if (strcmp (again, text) != 0)
    return NULL;
  *out_length = length;
  return g_steal_pointer (&data);
}

/* -- what the link carries -- */

static bool
find_kind (const char *name, FzFlowKind *out)
{
  for (size_t i = 0; i < G_N_ELEMENTS (kinds); i++) {
    if (strcmp (kinds[i].name, name) == 0) {
      *out = kinds[i].kind;
      return true;
    }
  }
  return false;
}

static const char *
text_or_empty (const FzForm *form, const char *name)
{
  const char *text = fz_form_get (form, name);

  return text != NULL ? text : "";
}

/* One word of ASCII. */
static bool
is_word (const char *text)
{
  if (strlen (text) > FZ_FLOW_TEXT_MAX)
    return false;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p))
      return false;
  return true;
}

bool
fz_flow_read (const FzForm *form, FzFlow *out)
{
  FzFlow flow = {
    .state = text_or_empty (form, "state"),
    .nonce = text_or_empty (form, "nonce"),
    .redirect_to = text_or_empty (form, "redirect_to"),
  };

  if (!find_kind (text_or_empty (form, "as"), &flow.kind) || !is_word (flow.state) ||
      !is_word (flow.nonce) || strchr (flow.nonce, '.') != NULL || !is_word (flow.redirect_to))
    return false;
  /* Without these the client could not tell our answer from a stranger's. */
  if (flow.kind == FZ_FLOW_GUI && (*flow.state == '\0' || *flow.nonce == '\0'))
    return false;
  *out = flow;
  return true;
}

char *
fz_flow_to_query (const FzFlow *self)
{
  const struct {
    const char *name;
    const char *value;
  } fields[] = {
    { "as", fz_flow_kind_name (self->kind) },
    { "state", self->state },
    { "nonce", self->nonce },
    { "redirect_to", self->redirect_to },
  };
  GString *out = g_string_new (NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (fields); i++)
    if (*fields[i].value != '\0')
      fz_form_append (out, fields[i].name, fields[i].value);
  return g_string_free (out, FALSE);
}

/* -- forms -- */

char *
fz_flow_new_browser (const FzRng *rng)
{
  uint8_t bytes[BROWSER_BYTES];

  fz_rng_fill (rng, bytes, sizeof bytes);
  return encode (bytes, sizeof bytes);
}

bool
fz_flow_is_browser (const char *text)
{
  size_t length = 0;
  g_autofree uint8_t *data = decode (text, &length);

  return data != NULL && length == BROWSER_BYTES;
}

static void
compute_mac (const uint8_t key[FZ_FLOW_KEY_SIZE],
             const char *browser,
             const char *account_id,
             const FzFlow *flow,
             int64_t time,
             uint8_t out[FZ_SHA256_SIZE])
{
  g_autofree char *time_text = g_strdup_printf ("%" G_GINT64_FORMAT, time);
  const char *const texts[] = {
    "form",      time_text,   browser,           account_id, fz_flow_kind_name (flow->kind),
    flow->state, flow->nonce, flow->redirect_to,
  };
  FzSpan parts[G_N_ELEMENTS (texts)];

  /* Each with the zero at its end, so that no two lists of texts are alike. */
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++)
    parts[i] = fz_span (texts[i], strlen (texts[i]) + 1);
  fz_hmac_sha256 (fz_span (key, FZ_FLOW_KEY_SIZE), parts, G_N_ELEMENTS (parts), out);
}

char *
fz_flow_form_token (const uint8_t key[FZ_FLOW_KEY_SIZE],
                    const char *browser,
                    const char *account_id,
                    const FzFlow *flow,
                    int64_t now)
{
  uint8_t mac[FZ_SHA256_SIZE];
  g_autofree char *encoded = NULL;

  compute_mac (key, browser, account_id, flow, now, mac);
  encoded = encode (mac, sizeof mac);
  return g_strdup_printf ("%" G_GINT64_FORMAT ".%s", now, encoded);
}

bool
fz_flow_check_form_token (const uint8_t key[FZ_FLOW_KEY_SIZE],
                          const char *browser,
                          const char *account_id,
                          const FzFlow *flow,
                          const char *token,
                          int64_t now)
{
  const char *period = strchr (token, '.');
  g_autofree char *time_text = NULL;
  g_autofree uint8_t *given = NULL;
  uint8_t mac[FZ_SHA256_SIZE];
  size_t length = 0;
  gint64 made_at = 0;

  if (period == NULL || strlen (token) > FZ_FLOW_FORM_TOKEN_MAX)
    return false;
  time_text = g_strndup (token, (gsize) (period - token));
  if (!g_ascii_string_to_signed (time_text, 10, 0, G_MAXINT64, &made_at, NULL) || made_at > now ||
      now - made_at > FZ_FLOW_FORM_S)
    return false;
  given = decode (period + 1, &length);
  if (given == NULL || length != sizeof mac)
    return false;
  compute_mac (key, browser, account_id, flow, made_at, mac);
  return fz_equal_constant_time (given, mac, sizeof mac);
}

/* -- the answer -- */

void
fz_flow_answer_clear (FzFlowAnswer *self)
{
  if (self->fragment != NULL)
    fz_wipe (self->fragment, strlen (self->fragment));
  g_clear_pointer (&self->account_id, g_free);
  g_clear_pointer (&self->actor_id, g_free);
  g_clear_pointer (&self->token_id, g_free);
  g_clear_pointer (&self->fragment, g_free);
  g_clear_pointer (&self->state, g_free);
}

static const struct {
  const char *name;
  size_t offset;
} answer_texts[] = {
  { "account_id", offsetof (FzFlowAnswer, account_id) },
  { "actor_id", offsetof (FzFlowAnswer, actor_id) },
  { "token_id", offsetof (FzFlowAnswer, token_id) },
  { "fragment", offsetof (FzFlowAnswer, fragment) },
  { "state", offsetof (FzFlowAnswer, state) },
};

static GString *
answer_to_form (const FzFlowAnswer *answer)
{
  GString *form = g_string_new (NULL);
  g_autofree char *expires = g_strdup_printf ("%" G_GINT64_FORMAT, answer->expires_at);

  fz_form_append (form, "as", fz_flow_kind_name (answer->kind));
  fz_form_append (form, "expires_at", expires);
  for (size_t i = 0; i < G_N_ELEMENTS (answer_texts); i++)
    fz_form_append (form,
                    answer_texts[i].name,
                    *(char *const *) G_STRUCT_MEMBER_P (answer, answer_texts[i].offset));
  return form;
}

static bool
answer_from_form (const char *text, size_t length, FzFlowAnswer *out)
{
  g_autoptr (FzForm) form = fz_form_parse (text, length);
  gint64 expires_at = 0;

  if (form == NULL || !find_kind (text_or_empty (form, "as"), &out->kind) ||
      !g_ascii_string_to_signed (
          text_or_empty (form, "expires_at"), 10, 0, G_MAXINT64, &expires_at, NULL))
    return false;
  out->expires_at = expires_at;
  for (size_t i = 0; i < G_N_ELEMENTS (answer_texts); i++)
    *(char **) G_STRUCT_MEMBER_P (out, answer_texts[i].offset) =
        g_strdup (text_or_empty (form, answer_texts[i].name));
  return true;
}

/* nonce ‖ time ‖ box; the time is in the clear, and authenticated. */
char *
fz_flow_seal (const uint8_t key[FZ_FLOW_KEY_SIZE],
              const FzRng *rng,
              const FzFlowAnswer *answer,
              int64_t now)
{
  GString *form = answer_to_form (answer);
  size_t length = FZ_XNONCE_SIZE + TIME_SIZE + form->len + FZ_TAG_SIZE;
  g_autofree uint8_t *data = g_malloc (length);
  int64_t big_endian = GINT64_TO_BE (now);
  char *sealed;

  fz_rng_fill (rng, data, FZ_XNONCE_SIZE);
  memcpy (data + FZ_XNONCE_SIZE, &big_endian, TIME_SIZE);
  fz_xchacha_seal (key,
                   data,
                   fz_span (form->str, form->len),
                   fz_span (data + FZ_XNONCE_SIZE, TIME_SIZE),
                   data + FZ_XNONCE_SIZE + TIME_SIZE);
  sealed = encode (data, length);
  fz_wipe (form->str, form->len);
  g_string_free (form, TRUE);
  return sealed;
}

bool
fz_flow_open (const uint8_t key[FZ_FLOW_KEY_SIZE],
              const char *sealed,
              int64_t now,
              FzFlowAnswer *out)
{
  const size_t overhead = FZ_XNONCE_SIZE + TIME_SIZE + FZ_TAG_SIZE;
  g_autofree uint8_t *data = NULL;
  g_autofree char *form = NULL;
  g_auto (FzFlowAnswer) answer = { 0 };
  size_t length = 0;
  int64_t made_at;
  bool ok;

  if (strlen (sealed) > FZ_FLOW_SEALED_MAX)
    return false;
  data = decode (sealed, &length);
  if (data == NULL || length < overhead)
    return false;
  memcpy (&made_at, data + FZ_XNONCE_SIZE, TIME_SIZE);
  made_at = GINT64_FROM_BE (made_at);
  form = g_malloc0 (length - overhead + 1);
  if (!fz_xchacha_open (
          key,
          data,
          fz_span (data + FZ_XNONCE_SIZE + TIME_SIZE, length - FZ_XNONCE_SIZE - TIME_SIZE),
          fz_span (data + FZ_XNONCE_SIZE, TIME_SIZE),
          (uint8_t *) form))
    return false;
  ok = made_at <= now && now - made_at <= FZ_FLOW_ANSWER_S &&
       answer_from_form (form, length - overhead, &answer);
  fz_wipe (form, length - overhead);
  if (!ok)
    return false;
  *out = answer;
  memset (&answer, 0, sizeof answer); /* handed on */
  return true;
}

char *
fz_flow_deep_link (const FzFlowAnswer *answer,
                   const char *account_slug,
                   const char *account_name,
                   const char *actor_name,
                   const char *email)
{
  GString *query = g_string_new (NULL);
  char *link;

  fz_form_append (query, "account_name", account_name);
  fz_form_append (query, "account_slug", account_slug);
  fz_form_append (query, "actor_name", actor_name);
  fz_form_append (query, "fragment", answer->fragment);
  fz_form_append (query, "identity_provider_identifier", email);
  fz_form_append (query, "state", answer->state);
  link = g_strconcat (FZ_FLOW_SCHEME "://handle_client_sign_in_callback?", query->str, NULL);
  g_string_free (query, TRUE);
  return link;
}

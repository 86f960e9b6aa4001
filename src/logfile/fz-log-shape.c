/* fz-log-shape.c: see the header */

#include "src/logfile/fz-log-shape.h"

#include <arpa/inet.h>
#include <glib.h>
#include <string.h>
#include <strings.h>

#define TOKEN_BYTES_MIN   32u
#define HEX_BYTES_MIN     32u
#define KEY_BYTES         44u /* 32 bytes in base64 */
#define SEGMENT_BYTES_MIN 6u  /* of a token with dots */
#define DOTTED_BYTES_MIN  40u
#define BYTES_PER_SLASH   12u /* more slashes than this make a path, not base64 */
#define KEY_NAME_MAX      64u

bool
fz_log_is_word_byte (uint8_t byte)
{
  return g_ascii_isalnum (byte) || byte == '_' || byte >= 0x80;
}

static bool
is_url64 (uint8_t byte)
{
  return g_ascii_isalnum (byte) || byte == '_' || byte == '-';
}

static bool
is_base64 (uint8_t byte)
{
  return is_url64 (byte) || byte == '+' || byte == '/' || byte == '=';
}

static bool
is_hex (uint8_t byte)
{
  return g_ascii_isxdigit (byte);
}

/* Length of the run of such bytes at @at; 0 where it does not begin there. */
static size_t
run_of (FzSpan text, size_t at, bool (*belongs) (uint8_t))
{
  size_t end = at;

  if (at > 0 && belongs (text.data[at - 1]))
    return 0;
  while (end < text.length && belongs (text.data[end]))
    end++;
  return end - at;
}

/* Random base64 of this length has all three; words, paths and numbers do not. */
static bool
is_mixed (const uint8_t *bytes, size_t length)
{
  bool small = false, capital = false, digit = false;

  for (size_t i = 0; i < length; i++) {
    small |= g_ascii_islower (bytes[i]);
    capital |= g_ascii_isupper (bytes[i]);
    digit |= g_ascii_isdigit (bytes[i]);
  }
  return small && capital && digit;
}

static bool
is_path (const uint8_t *bytes, size_t length)
{
  size_t n_slashes = 0;

  for (size_t i = 0; i < length; i++)
    n_slashes += bytes[i] == '/';
  return n_slashes * BYTES_PER_SLASH > length;
}

/* "eyJhbGciOi….eyJzdWIiOi….c2lnbmF0dXJl", "SFMyNTY.g2gDbQ….Vz3…" */
static size_t
dotted_token (FzSpan text, size_t at)
{
  size_t end = at, n_segments = 0;

  if (at > 0 && (is_url64 (text.data[at - 1]) || text.data[at - 1] == '.'))
    return 0;
  for (;;) {
    size_t start = end;

    while (end < text.length && is_url64 (text.data[end]))
      end++;
    if (end - start < SEGMENT_BYTES_MIN) {
      end = start > at ? start - 1 : at; /* before the dot */
      break;
    }
    n_segments++;
    if (end == text.length || text.data[end] != '.')
      break;
    end++;
  }
  return n_segments >= 3 && end - at >= DOTTED_BYTES_MIN && is_mixed (text.data + at, end - at)
             ? end - at
             : 0;
}

size_t
fz_log_shape_secret (FzSpan text, size_t at, FzLogShape *out_shape)
{
  const uint8_t *bytes = text.data + at;
  size_t n = dotted_token (text, at);

  *out_shape = FZ_LOG_SHAPE_TOKEN;
  if (n > 0)
    return n;

  n = run_of (text, at, is_hex);
  if (n >= HEX_BYTES_MIN && (at + n == text.length || !fz_log_is_word_byte (bytes[n])) &&
      (at == 0 || !fz_log_is_word_byte (bytes[-1]))) {
    *out_shape = FZ_LOG_SHAPE_KEY;
    return n;
  }
  n = run_of (text, at, is_base64);
  if (n >= TOKEN_BYTES_MIN && is_mixed (bytes, n) && !is_path (bytes, n)) {
    if (n == KEY_BYTES && bytes[n - 1] == '=')
      *out_shape = FZ_LOG_SHAPE_KEY;
    return n;
  }
  n = run_of (text, at, is_url64);
  return n >= TOKEN_BYTES_MIN && is_mixed (bytes, n) ? n : 0;
}

/* -- addresses -- */

static bool
is_label (uint8_t byte)
{
  return g_ascii_isalnum (byte) || byte == '-' || byte == '_' || byte >= 0x80;
}

/* Labels with dots between. Returns where they end; @out_n how many, @out_last where the last
 * begins. */
static size_t
read_labels (FzSpan text, size_t at, size_t *out_n, size_t *out_last)
{
  size_t end = at, n = 0;

  for (;;) {
    size_t start = end;

    while (end < text.length && is_label (text.data[end]))
      end++;
    if (end == start)
      return start > at ? start - 1 : at;
    n++;
    *out_n = n;
    *out_last = start;
    if (end == text.length || text.data[end] != '.')
      return end;
    end++;
  }
}

size_t
fz_log_shape_email (FzSpan text, size_t at)
{
  size_t end = at, n_labels = 0, last = 0, after;

  if (at > 0 && fz_log_is_word_byte (text.data[at - 1]))
    return 0;
  while (end < text.length &&
         (is_label (text.data[end]) || strchr (".+%'", text.data[end]) != NULL) &&
         text.data[end] != '\0')
    end++;
  if (end == at || end == text.length || text.data[end] != '@')
    return 0;
  after = read_labels (text, end + 1, &n_labels, &last);
  return n_labels >= 2 ? after - at : 0;
}

static bool
is_address_byte (uint8_t byte)
{
  return g_ascii_isxdigit (byte) || byte == ':' || byte == '.';
}

static bool
parse_ip (const char *text, bool *out_is_harmless)
{
  struct in_addr v4;
  struct in6_addr v6;

  if (inet_pton (AF_INET, text, &v4) == 1) {
    *out_is_harmless = v4.s_addr == 0 || ntohl (v4.s_addr) >> 24 == 127;
    return true;
  }
  if (inet_pton (AF_INET6, text, &v6) == 1) {
    *out_is_harmless = IN6_IS_ADDR_LOOPBACK (&v6) || IN6_IS_ADDR_UNSPECIFIED (&v6);
    return true;
  }
  return false;
}

/* The longest address of the run: "10.0.0.1:443" and "fe80::1." end earlier than the run does. */
size_t
fz_log_shape_ip (FzSpan text, size_t at, bool *out_is_harmless)
{
  char copy[INET6_ADDRSTRLEN];
  size_t n = 0;

  if (at > 0 && (fz_log_is_word_byte (text.data[at - 1]) || text.data[at - 1] == '.'))
    return 0;
  while (at + n < text.length && is_address_byte (text.data[at + n]))
    n++;
  for (n = MIN (n, sizeof copy - 1); n >= 2; n--) {
    bool is_word_end = at + n == text.length || !fz_log_is_word_byte (text.data[at + n]);

    memcpy (copy, text.data + at, n);
    copy[n] = '\0';
    if (is_word_end && parse_ip (copy, out_is_harmless))
      return n;
  }
  return 0;
}

static bool
ends_in (const uint8_t *bytes, size_t length, const char *suffix)
{
  size_t n = strlen (suffix);

  return length >= n && strncasecmp ((const char *) bytes + length - n, suffix, n) == 0;
}

static size_t
skip_wildcards (FzSpan text, size_t at)
{
  size_t end = at;

  while (end < text.length && text.data[end] == '*')
    end++;
  return end > at && end < text.length && text.data[end] == '.' ? end + 1 : at;
}

size_t
fz_log_shape_domain (FzSpan text, size_t at, bool *out_is_harmless)
{
  size_t start, end, n_labels = 0, last = 0;
  const uint8_t *bytes = text.data + at;

  if (at > 0 && (fz_log_is_word_byte (bytes[-1]) || bytes[-1] == '*'))
    return 0;
  start = skip_wildcards (text, at);
  end = read_labels (text, start, &n_labels, &last);
  if (n_labels < 2 || end - last < 2)
    return 0;
  for (size_t i = last; i < end; i++)
    if (g_ascii_isdigit (text.data[i]) || text.data[i] == '_')
      return 0;
  *out_is_harmless = ends_in (bytes, end - at, ".firezone.dev") ||
                     (ends_in (bytes, end - at, "firezone.dev") && end - at == 12);
  return end - at;
}

size_t
fz_log_shape_userinfo (FzSpan text, size_t at)
{
  if (at < 3 || memcmp (text.data + at - 3, "://", 3) != 0)
    return 0;
  for (size_t end = at; end < text.length; end++) {
    if (text.data[end] == '@')
      return end - at;
    if (text.data[end] <= ' ' || strchr ("/?#\"'<>", text.data[end]) != NULL)
      return 0;
  }
  return 0;
}

/* -- names of fields -- */

/* Small letters, '-' as '_'. False: too long to be one of ours. */
static bool
normalise (FzSpan key, char out[KEY_NAME_MAX + 1])
{
  if (key.length > KEY_NAME_MAX)
    return false;
  for (size_t i = 0; i < key.length; i++)
    out[i] = key.data[i] == '-' ? '_' : g_ascii_tolower ((char) key.data[i]);
  out[key.length] = '\0';
  return true;
}

bool
fz_log_key_is_secret (FzSpan key)
{
  static const char *const parts[] = { "token",      "secret",     "password", "passwd",
                                       "passphrase", "credential", "cookie",   "authorization",
                                       "psk",        "private",    "api_key",  "apikey" };
  char name[KEY_NAME_MAX + 1];

  if (!normalise (key, name))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS (parts); i++)
    if (strstr (name, parts[i]) != NULL)
      return true;
  return g_str_has_suffix (name, "key") || g_str_has_suffix (name, "nonce") ||
         g_str_equal (name, "fragment");
}

bool
fz_log_key_is_name (FzSpan key)
{
  static const char *const names[] = { "name",    "hostname", "host",     "domain", "actor",
                                       "account", "user",     "username", "site",   "address" };
  char name[KEY_NAME_MAX + 1];

  if (!normalise (key, name))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (name, names[i]))
      return true;
  return g_str_has_suffix (name, "_name") || g_str_has_suffix (name, "_domain") ||
         g_str_has_suffix (name, "_host") || g_str_has_suffix (name, "_account") ||
         g_str_has_suffix (name, "_slug");
}

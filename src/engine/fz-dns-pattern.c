/* fz-dns-pattern.c: see the header
 *
 * The labels of pattern and name are compared from the left, as a table of
 * which label of the name each label of the pattern can have got to; a double
 * star keeps all places from the first reachable one on. Most names fail
 * already at the literal end that most patterns have.
 */

#include "src/engine/fz-dns-pattern.h"

#include "src/proto/fz-dns.h"

#include <string.h>

#define LABELS_MAX (FZ_DNS_NAME_MAX / 2 + 1)

struct FzDnsPattern {
  char *text;         /* lower case */
  char **labels;      /* of the text */
  const char *suffix; /* of the text: behind the last label that is not literal */
  bool is_open;       /* begins with "*." */
};

/* -- making one -- */

/* The bracket that closes the class at @text ("[…"), NULL if none does. */
static const char *
find_class_end (const char *text)
{
  const char *at = text + 1;

  if (*at == '!')
    at++;
  if (*at == ']') /* the first one stands for itself */
    at++;
  return strchr (at, ']');
}

static bool
is_label_valid (const char *label)
{
  if (strcmp (label, "**") == 0)
    return true;
  if (strstr (label, "**") != NULL)
    return false;
  for (const char *at = strchr (label, '['); at != NULL; at = strchr (at, '[')) {
    at = find_class_end (at);
    if (at == NULL)
      return false;
  }
  return true;
}

static const char *
find_literal_suffix (const char *text)
{
  size_t literal = strlen (text);

  while (literal > 0 && strchr ("*?[]", text[literal - 1]) == NULL)
    literal--;
  if (literal == 0)
    return text;
  text = strchr (text + literal, '.'); /* the rest of a label may be half of a glob */
  return text != NULL ? text + 1 : "";
}

FzDnsPattern *
fz_dns_pattern_new (const char *text)
{
  g_autoptr (FzDnsPattern) self = g_new0 (FzDnsPattern, 1);
  size_t length = strlen (text);

  if (length > 1 && text[length - 1] == '.')
    length--;
  self->text = g_ascii_strdown (text, (gssize) length);
  self->labels = g_strsplit (self->text, ".", -1);
  for (char **label = self->labels; *label != NULL; label++)
    if (!is_label_valid (*label))
      return NULL;
  if (self->text[0] == '\0')
    return NULL;
  self->suffix = find_literal_suffix (self->text);
  self->is_open = g_str_has_prefix (self->text, "*.");
  return g_steal_pointer (&self);
}

void
fz_dns_pattern_free (FzDnsPattern *self)
{
  if (self == NULL)
    return;
  g_strfreev (self->labels);
  g_free (self->text);
  g_free (self);
}

/* -- one label -- */

/* Whether the class at @at has @c; @out_end is what follows it. */
static bool
class_has (const char *at, char c, const char **out_end)
{
  const char *end = find_class_end (at);
  bool is_negated = at[1] == '!';
  bool is_in = false;

  for (at += is_negated ? 2 : 1; at < end; at++) {
    if (at + 2 < end && at[1] == '-') {
      is_in = is_in || (c >= at[0] && c <= at[2]);
      at += 2;
    } else {
      is_in = is_in || *at == c;
    }
  }
  *out_end = end + 1;
  return is_in != is_negated;
}

/* Whether @glob's next token takes @c; @out_next is what follows the token. */
static bool
token_takes (const char *glob, char c, const char **out_next)
{
  if (*glob == '[')
    return class_has (glob, c, out_next);
  *out_next = glob + 1;
  return *glob != '\0' && (*glob == '?' || *glob == c);
}

/* The last star seen takes one character more whenever the rest does not fit. */
static bool
label_matches (const char *glob, const char *text, size_t length)
{
  const char *star = NULL;
  size_t star_at = 0, at = 0;

  while (at < length) {
    const char *next;

    if (*glob == '*') {
      star = ++glob;
      star_at = at;
    } else if (token_takes (glob, text[at], &next)) {
      glob = next;
      at++;
    } else if (star != NULL) {
      glob = star;
      at = ++star_at;
    } else {
      return false;
    }
  }
  return glob[strspn (glob, "*")] == '\0';
}

/* -- names -- */

static size_t
split_name (const char *name, FzSpan labels[LABELS_MAX])
{
  size_t n = 0;

  for (; n < LABELS_MAX; name++) {
    size_t length = strcspn (name, ".");

    labels[n++] = fz_span (name, length);
    name += length;
    if (*name == '\0')
      break;
  }
  return n;
}

/* reached[i]: the pattern so far can have used up i labels. */
static void
step (const char *glob, const FzSpan *labels, size_t n_labels, bool *reached)
{
  bool is_any = false;

  if (strcmp (glob, "**") == 0) {
    for (size_t i = 0; i <= n_labels; i++)
      reached[i] = is_any = is_any || reached[i];
    return;
  }
  for (size_t i = n_labels; i > 0; i--)
    reached[i] = reached[i - 1] &&
                 label_matches (glob, (const char *) labels[i - 1].data, labels[i - 1].length);
  reached[0] = false;
}

bool
fz_dns_pattern_matches (const FzDnsPattern *self, const char *name)
{
  bool reached[LABELS_MAX + 1] = { true };
  FzSpan labels[LABELS_MAX];
  size_t n_labels;

  if (name[0] == '\0' || strlen (name) >= FZ_DNS_NAME_MAX || !g_str_has_suffix (name, self->suffix))
    return false;
  if (self->is_open && strcmp (name, self->text + 2) == 0)
    return true;
  n_labels = split_name (name, labels);
  for (char **label = self->labels; *label != NULL; label++)
    step (*label, labels, n_labels, reached);
  return reached[n_labels];
}

/* -- order -- */

static bool
is_wildcard (char c)
{
  return c == '*' || c == '?';
}

/* Of two different characters, counted from the end; 0: the pattern is at its start. */
static int
compare_characters (char a, char b)
{
  if (is_wildcard (a) && is_wildcard (b))
    return a == '*' ? -1 : 1;
  if (is_wildcard (a) || is_wildcard (b))
    return is_wildcard (a) ? -1 : 1;
  if (a == '\0' || b == '\0')
    return a == '\0' ? 1 : -1;
  return (unsigned char) a > (unsigned char) b ? 1 : -1;
}

int
fz_dns_pattern_compare (const FzDnsPattern *a, const FzDnsPattern *b)
{
  size_t n_a = strlen (a->text), n_b = strlen (b->text);

  while (n_a > 0 || n_b > 0) {
    char ca = n_a > 0 ? a->text[--n_a] : '\0';
    char cb = n_b > 0 ? b->text[--n_b] : '\0';

    if (ca != cb)
      return compare_characters (ca, cb);
  }
  return 0;
}

/* fz-log-redact.c: see the header
 *
 * A JSON line is passed once from its start to its end: keys and punctuation go
 * through, string values are unescaped, redacted as text, and escaped again only
 * if something was found. A torn line ends as text. Everything that is not JSON
 * is text from the start.
 *
 * Text is looked at from the start of every word; what does not begin something
 * is copied up to the next.
 */

#include "src/logfile/fz-log-redact.h"

#include "src/logfile/fz-log-line.h"
#include "src/logfile/fz-log-shape.h"

#include <string.h>
#include <strings.h>

#define DEPTH_MAX      64u /* deeper values are treated as their parent */
#define NAME_BYTES_MIN 3u
#define OPENING_QUOTE  "\xe2\x80\x9c"
#define CLOSING_QUOTE  "\xe2\x80\x9d"
#define BARE_BYTES_MIN 8u /* what follows Bearer, to be told from prose */

typedef enum {
  KIND_SECRET,
  KIND_TOKEN,
  KIND_KEY,
  KIND_EMAIL,
  KIND_IP,
  KIND_NAME,
  N_KINDS,
} Kind;

static const char *const kind_names[N_KINDS] = { "secret", "token", "key", "email", "ip", "name" };

struct FzLogRedact {
  FzLogRedactFlags flags;
  GHashTable *places[N_KINDS]; /* text -> number from 1 */
  GPtrArray *names[256];       /* added ones, by their first byte, small; NULL: none */
  unsigned n_names;
};

static void
wipe (gpointer text)
{
  explicit_bzero (text, strlen (text));
  g_free (text);
}

FzLogRedact *
fz_log_redact_new (FzLogRedactFlags flags)
{
  FzLogRedact *self = g_new0 (FzLogRedact, 1);

  self->flags = flags;
  for (size_t i = 0; i < N_KINDS; i++)
    self->places[i] = g_hash_table_new_full (g_str_hash, g_str_equal, wipe, NULL);
  return self;
}

void
fz_log_redact_free (FzLogRedact *self)
{
  if (self == NULL)
    return;
  for (size_t i = 0; i < N_KINDS; i++)
    g_hash_table_unref (self->places[i]);
  for (size_t i = 0; i < G_N_ELEMENTS (self->names); i++)
    g_clear_pointer (&self->names[i], g_ptr_array_unref);
  g_free (self);
}

static GPtrArray **
find_names (FzLogRedact *self, char first)
{
  return &self->names[(uint8_t) g_ascii_tolower (first)];
}

bool
fz_log_redact_add_name (FzLogRedact *self, const char *name)
{
  GPtrArray **names = find_names (self, *name);

  if (strlen (name) < NAME_BYTES_MIN)
    return true;
  if (self->n_names == FZ_LOG_REDACT_NAMES_MAX)
    return false;
  if (*names == NULL)
    *names = g_ptr_array_new_with_free_func (wipe);
  g_ptr_array_add (*names, g_strdup (name));
  self->n_names++;
  return true;
}

/* The same text, the same number; addresses and names in either case are the same. */
static void
put_placeholder (FzLogRedact *self, Kind kind, FzSpan text, GString *out)
{
  char *key = kind >= KIND_EMAIL ? g_ascii_strdown ((const char *) text.data, (gssize) text.length)
                                 : g_strndup ((const char *) text.data, text.length);
  GHashTable *places = self->places[kind];
  guint number = GPOINTER_TO_UINT (g_hash_table_lookup (places, key));

  if (number == 0 && g_hash_table_size (places) < FZ_LOG_REDACT_PLACES_MAX) {
    number = g_hash_table_size (places) + 1;
    g_hash_table_insert (places, g_steal_pointer (&key), GUINT_TO_POINTER (number));
  }
  if (key != NULL)
    wipe (key);
  if (number > 0)
    g_string_append_printf (out, "<%s-%u>", kind_names[kind], number);
  else
    g_string_append_printf (out, "<%s-more>", kind_names[kind]);
}

/* -- text -- */

static FzSpan
part (FzSpan text, size_t at, size_t length)
{
  return fz_span (text.data + at, length);
}

static bool
is_placeholder (FzSpan text)
{
  return text.length > 2 && text.data[0] == '<' && text.data[text.length - 1] == '>';
}

static size_t
skip_spaces (FzSpan text, size_t at)
{
  while (at < text.length && text.data[at] == ' ')
    at++;
  return at;
}

static bool
starts_with (FzSpan text, size_t at, const char *word)
{
  size_t n = strlen (word);

  return text.length - at >= n && strncasecmp ((const char *) text.data + at, word, n) == 0;
}

/* Up to what ends an unquoted value; "Bearer x" is one value. */
static size_t
find_value_end (FzSpan text, size_t at)
{
  size_t end = at;

  if (starts_with (text, at, "bearer "))
    end = skip_spaces (text, at + strlen ("bearer "));
  else if (starts_with (text, at, "basic "))
    end = skip_spaces (text, at + strlen ("basic "));
  while (end < text.length && text.data[end] > ' ' &&
         strchr (",;&)]}\"'<>", text.data[end]) == NULL)
    end++;
  return end;
}

/* @at: on the opening quote. Returns where the closing one is, or the end. */
static size_t
find_closing_quote (FzSpan text, size_t at)
{
  const uint8_t quote = text.data[at];

  for (at++; at < text.length && text.data[at] != quote; at++)
    if (text.data[at] == '\\' && at + 1 < text.length)
      at++;
  return at;
}

/* @at: behind the opening one. */
static size_t
find_quotation_end (FzSpan text, size_t at)
{
  while (at < text.length && !starts_with (text, at, CLOSING_QUOTE))
    at++;
  return at;
}

/* key=value, key: value, "key":"value", 'key': 'value', key: “value” */
typedef struct {
  FzSpan key;
  size_t value; /* where it begins, quotes not counted */
  size_t end;   /* where it ends */
  bool is_equals;
} Assignment;

static bool
read_assignment (FzSpan text, size_t at, Assignment *out)
{
  size_t end = at;

  while (end < text.length && (fz_log_is_word_byte (text.data[end]) || text.data[end] == '-'))
    end++;
  if (end == at)
    return false;
  out->key = part (text, at, end - at);
  if (end < text.length && (text.data[end] == '"' || text.data[end] == '\''))
    end++;
  end = skip_spaces (text, end);
  if (end == text.length || (text.data[end] != '=' && text.data[end] != ':'))
    return false;
  out->is_equals = text.data[end] == '=';
  end = skip_spaces (text, end + 1);
  if (end == text.length)
    return false;
  if (text.data[end] == '"' || text.data[end] == '\'') {
    out->value = end + 1;
    out->end = MIN (find_closing_quote (text, end), text.length);
  } else if (starts_with (text, end, OPENING_QUOTE)) {
    out->value = end + strlen (OPENING_QUOTE);
    out->end = find_quotation_end (text, out->value);
  } else {
    out->value = end;
    out->end = find_value_end (text, end);
  }
  return out->end > out->value;
}

/* The random value of a sign-in link: only in a query, for elsewhere a state is a state. */
static bool
is_state_of_link (FzSpan text, size_t at, FzSpan key)
{
  return at > 0 && (text.data[at - 1] == '?' || text.data[at - 1] == '&') && key.length == 5 &&
         strncasecmp ((const char *) key.data, "state", 5) == 0;
}

/* Returns how much of @text is dealt with, 0 if nothing begins here. So do the next ones. */
static size_t
redact_assignment (FzLogRedact *self, FzSpan text, size_t at, GString *out)
{
  Assignment found;
  Kind kind;

  if (!read_assignment (text, at, &found))
    return 0;
  if (fz_log_key_is_secret (found.key) || is_state_of_link (text, at, found.key))
    kind = KIND_SECRET;
  else if ((self->flags & FZ_LOG_REDACT_NAMES) != 0 && found.is_equals &&
           fz_log_key_is_name (found.key))
    kind = KIND_NAME;
  else
    return 0;
  g_string_append_len (out, (const char *) text.data + at, (gssize) (found.value - at));
  put_placeholder (self, kind, part (text, found.value, found.end - found.value), out);
  return found.end - at;
}

static size_t
redact_bearer (FzLogRedact *self, FzSpan text, size_t at, GString *out)
{
  size_t start = at, end;

  if (starts_with (text, at, "bearer "))
    start = at + strlen ("bearer ");
  else if (starts_with (text, at, "basic "))
    start = at + strlen ("basic ");
  else
    return 0;
  end = find_value_end (text, start);
  if (end - start < BARE_BYTES_MIN)
    return 0;
  g_string_append_len (out, (const char *) text.data + at, (gssize) (start - at));
  put_placeholder (self, KIND_SECRET, part (text, start, end - start), out);
  return end - at;
}

static size_t
redact_added_name (FzLogRedact *self, FzSpan text, size_t at, GString *out)
{
  const GPtrArray *names = *find_names (self, (char) text.data[at]);
  size_t longest = 0;

  for (guint i = 0; names != NULL && i < names->len; i++) {
    size_t n = strlen (names->pdata[i]);

    if (n > longest && starts_with (text, at, names->pdata[i]) &&
        (at + n == text.length || !fz_log_is_word_byte (text.data[at + n]) ||
         !fz_log_is_word_byte (text.data[at + n - 1])))
      longest = n;
  }
  if (longest > 0)
    put_placeholder (self, KIND_NAME, part (text, at, longest), out);
  return longest;
}

static size_t
redact_shape (FzLogRedact *self, FzSpan text, size_t at, GString *out)
{
  bool is_harmless = false;
  FzLogShape shape;
  Kind kind = KIND_SECRET;
  size_t n = fz_log_shape_userinfo (text, at);

  if (n == 0) {
    kind = KIND_EMAIL;
    n = fz_log_shape_email (text, at);
  }
  if (n == 0) {
    n = fz_log_shape_secret (text, at, &shape);
    kind = shape == FZ_LOG_SHAPE_KEY ? KIND_KEY : KIND_TOKEN;
  }
  if (n == 0 && (self->flags & FZ_LOG_REDACT_ADDRESSES) != 0) {
    kind = KIND_IP;
    n = fz_log_shape_ip (text, at, &is_harmless);
  }
  if (n == 0 && (self->flags & FZ_LOG_REDACT_NAMES) != 0) {
    kind = KIND_NAME;
    n = fz_log_shape_domain (text, at, &is_harmless);
  }
  if (n == 0)
    return 0;
  if (is_harmless)
    g_string_append_len (out, (const char *) text.data + at, (gssize) n);
  else
    put_placeholder (self, kind, part (text, at, n), out);
  return n;
}

/* Somebody else's words, quoted by us; a quotation that does not end goes on to the end. */
static size_t
redact_quotation (FzLogRedact *self, FzSpan text, size_t at, GString *out)
{
  size_t start = at + strlen (OPENING_QUOTE), end;

  if ((self->flags & FZ_LOG_REDACT_NAMES) == 0 || !starts_with (text, at, OPENING_QUOTE))
    return 0;
  end = find_quotation_end (text, start);
  if (end == start || is_placeholder (part (text, start, end - start)))
    return 0;
  g_string_append (out, OPENING_QUOTE);
  put_placeholder (self, KIND_NAME, part (text, start, end - start), out);
  return end - at;
}

/* Something can only begin behind what is not part of a word. */
static bool
may_begin (FzSpan text, size_t at)
{
  return at == 0 || !fz_log_is_word_byte (text.data[at - 1]);
}

static size_t
redact_one (FzLogRedact *self, FzSpan text, size_t at, GString *out)
{
  size_t n;

  if (text.data[at] <= ' ' || !may_begin (text, at))
    return 0;
  n = redact_quotation (self, text, at, out);
  if (n == 0)
    n = redact_added_name (self, text, at, out);
  if (n == 0)
    n = redact_assignment (self, text, at, out);
  if (n == 0)
    n = redact_bearer (self, text, at, out);
  return n > 0 ? n : redact_shape (self, text, at, out);
}

static void
redact_span (FzLogRedact *self, FzSpan text, GString *out)
{
  size_t at = 0;

  while (at < text.length) {
    size_t n = redact_one (self, text, at, out), start = at;

    at += n;
    if (n > 0)
      continue;
    /* the rest of this word, or one byte that is none */
    at++;
    while (at < text.length && !may_begin (text, at))
      at++;
    g_string_append_len (out, (const char *) text.data + start, (gssize) (at - start));
  }
}

/* -- JSON -- */

typedef struct {
  bool is_secret; /* the key above says so */
  bool is_name;
  bool stays; /* time, level, target, event */
} Meaning;

typedef struct {
  FzLogRedact *redact;
  FzSpan line;
  size_t at;
  GString *out;
  Meaning of_level[DEPTH_MAX]; /* what a value without a key of its own is */
  size_t depth;
  Meaning next; /* of the value that comes */
  FzSpan key;   /* its key */
} Walk;

static bool
key_stays (FzSpan key)
{
  static const char *const keys[] = { "time",
                                      "timestamp",
                                      "severity",
                                      "level",
                                      "target",
                                      "event",
                                      "logging.googleapis.com/sourceLocation" };

  for (size_t i = 0; i < G_N_ELEMENTS (keys); i++)
    if (key.length == strlen (keys[i]) && memcmp (key.data, keys[i], key.length) == 0)
      return true;
  return false;
}

/* Inside a secret or a name all is one. */
static Meaning
meaning_of_key (const Walk *walk, FzSpan key)
{
  Meaning above = walk->of_level[MIN (walk->depth, DEPTH_MAX - 1)];

  return (Meaning){
    .is_secret = above.is_secret || fz_log_key_is_secret (key),
    .is_name = above.is_name ||
               ((walk->redact->flags & FZ_LOG_REDACT_NAMES) != 0 && fz_log_key_is_name (key)),
    .stays = above.stays || (walk->depth == 1 && key_stays (key)),
  };
}

static void
copy (Walk *walk, size_t length)
{
  g_string_append_len (walk->out, (const char *) walk->line.data + walk->at, (gssize) length);
  walk->at += length;
}

/* An address under a name's key is an address: whether it goes is another question. */
static bool
is_wholly_ip (FzSpan text)
{
  bool is_harmless;
  size_t n = fz_log_shape_ip (text, 0, &is_harmless);

  return n > 0 && (n == text.length || text.data[n] == '/' || text.data[n] == ':');
}

static void
redact_string (Walk *walk, FzSpan escaped)
{
  g_autoptr (GString) plain = g_string_sized_new (escaped.length);
  g_autoptr (GString) redacted = g_string_sized_new (escaped.length);
  FzSpan text;

  fz_log_unescape (escaped, plain);
  text = fz_span (plain->str, plain->len);
  if (walk->next.is_secret && text.length > 0 && !is_placeholder (text))
    put_placeholder (walk->redact, KIND_SECRET, text, redacted);
  else if (walk->next.is_name && text.length > 0 && !is_wholly_ip (text))
    put_placeholder (walk->redact, KIND_NAME, text, redacted);
  else
    redact_span (walk->redact, text, redacted);
  if (g_string_equal (plain, redacted))
    g_string_append_len (walk->out, (const char *) escaped.data, (gssize) escaped.length);
  else
    fz_log_escape (fz_span (redacted->str, redacted->len), walk->out);
  explicit_bzero (plain->str, plain->len);
}

static bool
find_string_end (const Walk *walk, size_t *out)
{
  for (size_t i = walk->at + 1; i < walk->line.length; i++) {
    if (walk->line.data[i] == '\\') {
      i++;
    } else if (walk->line.data[i] == '"') {
      *out = i;
      return true;
    }
  }
  return false;
}

/* @walk stands on a quote. False: the line ends before the string does. */
static bool
walk_string (Walk *walk)
{
  size_t end, after;
  FzSpan inside;

  if (!find_string_end (walk, &end))
    return false;
  inside = part (walk->line, walk->at + 1, end - walk->at - 1);
  after = skip_spaces (walk->line, end + 1);
  if (after < walk->line.length && walk->line.data[after] == ':') {
    walk->next = meaning_of_key (walk, inside);
    walk->key = inside;
    copy (walk, end + 1 - walk->at);
    return true;
  }
  g_string_append_c (walk->out, '"');
  if (walk->next.stays)
    g_string_append_len (walk->out, (const char *) inside.data, (gssize) inside.length);
  else
    redact_string (walk, inside);
  g_string_append_c (walk->out, '"');
  walk->at = end + 1;
  return true;
}

/* Numbers can be secrets, but not those that count; true, false and null cannot. */
static void
walk_bare (Walk *walk)
{
  size_t end = walk->at;
  uint8_t first = walk->line.data[walk->at];
  bool counts = walk->key.length > 2 && memcmp (walk->key.data, "n_", 2) == 0;

  while (end < walk->line.length && strchr (",]}: \t\"{[", walk->line.data[end]) == NULL)
    end++;
  end = MAX (end, walk->at + 1);
  if (walk->next.is_secret && !counts && (g_ascii_isdigit (first) || first == '-')) {
    g_string_append_c (walk->out, '"');
    put_placeholder (
        walk->redact, KIND_SECRET, part (walk->line, walk->at, end - walk->at), walk->out);
    g_string_append_c (walk->out, '"');
    walk->at = end;
    return;
  }
  copy (walk, end - walk->at);
}

static void
walk_bracket (Walk *walk, bool opens)
{
  if (opens) {
    walk->depth++;
    if (walk->depth < DEPTH_MAX)
      walk->of_level[walk->depth] = walk->next;
  } else if (walk->depth > 0) {
    walk->depth--;
  }
  copy (walk, 1);
}

/* False: a string does not end; what is left is text. */
static bool
walk_json (Walk *walk)
{
  while (walk->at < walk->line.length) {
    switch (walk->line.data[walk->at]) {
    case '"':
      if (!walk_string (walk))
        return false;
      break;
    case '{':
    case '[':
      walk_bracket (walk, true);
      break;
    case '}':
    case ']':
      walk_bracket (walk, false);
      break;
    case ',':
      /* the next of an array; of an object its key comes first */
      walk->next = walk->of_level[MIN (walk->depth, DEPTH_MAX - 1)];
      walk->key = (FzSpan){ 0 };
      copy (walk, 1);
      break;
    case ':':
    case ' ':
    case '\t':
      copy (walk, 1);
      break;
    default:
      walk_bare (walk);
      break;
    }
    if (walk->depth == 0)
      break; /* what stands behind the object is text */
  }
  return true;
}

/* Only a line that is JSON to its end is walked as JSON: in one that merely begins so, the walk
 * would take prose for structure. */
static bool
is_json (FzSpan line)
{
  FzLogLine scanned;

  fz_log_line_scan (line, &scanned);
  return scanned.kind == FZ_LOG_LINE_JSON;
}

void
fz_log_redact_line (FzLogRedact *self, FzSpan line, GString *out)
{
  Walk walk = { .redact = self, .line = line, .out = out };

  if (line.length == 0)
    return;
  if (is_json (line))
    walk_json (&walk);
  if (walk.at < line.length)
    redact_span (self, part (line, walk.at, line.length - walk.at), out);
}

char *
fz_log_redact_text (FzLogRedact *self, const char *text)
{
  g_autoptr (GString) out = g_string_sized_new (strlen (text));

  while (*text != '\0') {
    size_t n = strcspn (text, "\n");

    fz_log_redact_line (self, fz_span (text, n), out);
    text += n;
    if (*text == '\n')
      g_string_append_c (out, *text++);
  }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

char *
fz_log_redact_describe (const FzLogRedact *self)
{
  static const char *const what[N_KINDS] = {
    "values of fields and parameters named like a secret (token, password, key, ...)",
    "tokens, by their shape",
    "keys, by their shape",
    "e-mail addresses",
    "IP addresses (loopback stays)",
    "names of hosts, people, accounts and resources",
  };
  g_autoptr (GString) text =
      g_string_new ("What was taken out of these files, and what stands in its place.\n"
                    "The same number is the same text everywhere in this archive.\n\n");

  for (size_t i = 0; i < N_KINDS; i++) {
    bool is_asked =
        (i != KIND_IP || (self->flags & FZ_LOG_REDACT_ADDRESSES) != 0) &&
        (i != KIND_NAME || self->n_names > 0 || (self->flags & FZ_LOG_REDACT_NAMES) != 0);

    if (is_asked)
      g_string_append_printf (text,
                              "<%s-N>  %s: %u different\n",
                              kind_names[i],
                              what[i],
                              g_hash_table_size (self->places[i]));
    else
      g_string_append_printf (text, "NOT removed: %s\n", what[i]);
  }
  g_string_append (
      text, "\nA machine did this, by rules. Look through the files before you pass them on.\n");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* fz-form.c
 *
 * See fz-form.h. Values may hold anything that is text; what they mean is for
 * their reader to check.
 */
#include "src/server/fz-form.h"

#include "src/crypto/fz-crypto.h"

#include <string.h>

typedef struct {
  char *name;
  char *value;
} FzFormField;

struct FzForm {
  FzFormField fields[FZ_FORM_FIELDS_MAX];
  size_t n_fields;
};

static void
wipe_text (char *text)
{
  if (text != NULL)
    fz_wipe (text, strlen (text));
  g_free (text);
}

void
fz_form_free (FzForm *self)
{
  if (self == NULL)
    return;
  for (size_t i = 0; i < self->n_fields; i++) {
    g_free (self->fields[i].name);
    wipe_text (self->fields[i].value);
  }
  g_free (self);
}

static bool
has_controls (const char *text)
{
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return true;
  return false;
}

/* One side of "=": NULL if it is too long or is not text. */
static char *
decode (const char *text, size_t length, size_t max)
{
  char *out = g_malloc (length + 1);
  size_t n = 0;
  bool is_fine = true;

  for (size_t i = 0; i < length && is_fine; i++) {
    int high, low;

    if (text[i] != '%') {
      out[n++] = text[i] == '+' ? ' ' : text[i];
      continue;
    }
    high = length - i > 2 ? g_ascii_xdigit_value (text[i + 1]) : -1;
    low = length - i > 2 ? g_ascii_xdigit_value (text[i + 2]) : -1;
    is_fine = high >= 0 && low >= 0;
    out[n++] = is_fine ? (char) (high << 4 | low) : '\0';
    i += 2;
  }
  out[n] = '\0';
  if (is_fine && n <= max && g_utf8_validate_len (out, n, NULL) && !has_controls (out))
    return out;
  fz_wipe (out, n);
  g_free (out);
  return NULL;
}

/* Takes @name and @value, also when it fails. */
static bool
add_field (FzForm *self, char *name, char *value)
{
  if (name != NULL && value != NULL && *name != '\0' && fz_form_get (self, name) == NULL &&
      self->n_fields < FZ_FORM_FIELDS_MAX) {
    self->fields[self->n_fields++] = (FzFormField){ name, value };
    return true;
  }
  g_free (name);
  wipe_text (value);
  return false;
}

FzForm *
fz_form_parse (const char *text, size_t length)
{
  g_autoptr (FzForm) self = g_new0 (FzForm, 1);
  const char *at = text;
  const char *end = length > 0 ? text + length : text;

  if (length > FZ_FORM_BYTES_MAX)
    return NULL;
  while (at < end) {
    const char *stop = memchr (at, '&', (size_t) (end - at));
    const char *equals;

    if (stop == NULL)
      stop = end;
    equals = stop > at ? memchr (at, '=', (size_t) (stop - at)) : NULL;
    if (stop > at &&
        !add_field (self,
                    decode (at, (size_t) ((equals != NULL ? equals : stop) - at), FZ_FORM_NAME_MAX),
                    equals != NULL
                        ? decode (equals + 1, (size_t) (stop - equals - 1), FZ_FORM_VALUE_MAX)
                        : g_strdup ("")))
      return NULL;
    at = stop < end ? stop + 1 : end;
  }
  return g_steal_pointer (&self);
}

size_t
fz_form_n_fields (const FzForm *self)
{
  return self->n_fields;
}

const char *
fz_form_get (const FzForm *self, const char *name)
{
  for (size_t i = 0; i < self->n_fields; i++)
    if (strcmp (self->fields[i].name, name) == 0)
      return self->fields[i].value;
  return NULL;
}

static void
append_encoded (GString *out, const char *text)
{
  for (const char *p = text; *p != '\0'; p++) {
    if (g_ascii_isalnum (*p) || strchr ("-._~", *p) != NULL)
      g_string_append_c (out, *p);
    else if (*p == ' ')
      g_string_append_c (out, '+');
    else
      g_string_append_printf (out, "%%%02X", (unsigned) (unsigned char) *p);
  }
}

void
fz_form_append (GString *out, const char *name, const char *value)
{
  if (out->len > 0)
    g_string_append_c (out, '&');
  append_encoded (out, name);
  g_string_append_c (out, '=');
  append_encoded (out, value);
}

char *
fz_cookie_find (const char *header, const char *name, size_t max)
{
  size_t name_length = strlen (name);

  for (const char *at = header; at != NULL && *at != '\0';) {
    const char *stop = strchrnul (at, ';');

    while (*at == ' ' || *at == '\t')
      at++;
    if (strncmp (at, name, name_length) == 0 && at[name_length] == '=') {
      const char *value = at + name_length + 1;

      return (size_t) (stop - value) <= max ? g_strndup (value, (gsize) (stop - value)) : NULL;
    }
    at = *stop != '\0' ? stop + 1 : stop;
  }
  return NULL;
}

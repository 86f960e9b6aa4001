/* fz-form.h
 *
 * Fields of a query or of a posted form (application/x-www-form-urlencoded), read
 * strictly: a name given twice, a broken escape, a control character or too much
 * of anything refuses the whole text. Cookies too. Pure functions.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define FZ_FORM_FIELDS_MAX 32u
#define FZ_FORM_NAME_MAX   64u   /* bytes, decoded */
#define FZ_FORM_VALUE_MAX  1024u /* bytes, decoded */
#define FZ_FORM_BYTES_MAX  8192u /* of the whole text as it came */

typedef struct FzForm FzForm;

/**
 * fz_form_parse:
 * @text: need not end in a zero; may be NULL if @length is 0
 *
 * Returns: NULL for what no honest browser sends
 */
FzForm *fz_form_parse (const char *text, size_t length);
void fz_form_free (FzForm *self); /* wipes the values: one of them is a password */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzForm, fz_form_free)

size_t fz_form_n_fields (const FzForm *self);

/* NULL if it is missing. */
const char *fz_form_get (const FzForm *self, const char *name);

/* "name=value", behind a "&" if something stands there already; space is "+". */
void fz_form_append (GString *out, const char *name, const char *value);

/**
 * fz_cookie_find:
 * @header: value of the Cookie header, or NULL
 *
 * The value of the first cookie of that name, as it stands there.
 *
 * Returns: NULL if it is missing or longer than @max bytes; g_free
 */
char *fz_cookie_find (const char *header, const char *name, size_t max);

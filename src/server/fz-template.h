/* fz-template.h
 *
 * Pages as text with places in it. Whatever goes into a place is escaped, so no
 * page can forget to:
 *
 *   {{name}}              the value, escaped for text and for quoted attributes
 *   {{#name}} … {{/name}} only if there is such a value and it is not empty
 *   {{^name}} … {{/name}} only otherwise
 *   {{&name}}             as it is: for a page inside the layout, nothing else
 *
 * Templates are ours; one that is broken is a bug.
 */
#pragma once

#include <glib.h>

typedef struct {
  const char *name;  /* NULL ends the list */
  const char *value; /* NULL counts as missing */
} FzTemplateValue;

char *fz_template_expand (const char *text, const FzTemplateValue *values);

/* &, <, >, " and ' as references; what is not UTF-8 becomes U+FFFD. */
void fz_html_append (GString *out, const char *text);

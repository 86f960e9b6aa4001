/* fz-page.c
 *
 * See fz-page.h.
 */
#include "src/server/fz-page.h"

#include "src/server/fz-server-pages.h"

#include <gio/gio.h>
#include <string.h>

#define FOLDER "/dev/firezone/portal/"

static const struct {
  const char *template;
  const char *title; /* NULL: the value "title" */
} pages[] = {
  [FZ_PAGE_ACCOUNT] = { "account.html", "Which account? · Firezone" },
  [FZ_PAGE_SIGN_IN] = { "sign-in.html", "Sign in · Firezone" },
  [FZ_PAGE_OPENING] = { "opening.html", "Signed in · Firezone" },
  [FZ_PAGE_TOKEN] = { "token.html", "Your token · Firezone" },
  [FZ_PAGE_MESSAGE] = { "message.html", NULL },
};

/* The files are part of the program: they are there, uncompressed, and end in a zero. */
static const char *
read_file (const char *name, size_t *out_length)
{
  g_autofree char *path = g_strconcat (FOLDER, name, NULL);
  g_autoptr (GBytes) bytes = g_resource_lookup_data (
      fz_server_pages_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);

  g_assert (bytes != NULL);
  return g_bytes_get_data (bytes, out_length);
}

static const char *
value_of (const FzTemplateValue *values, const char *name)
{
  for (; values->name != NULL; values++)
    if (strcmp (values->name, name) == 0)
      return values->value;
  return NULL;
}

char *
fz_page_render (FzPageKind kind, const FzTemplateValue *values)
{
  g_autofree char *body = fz_template_expand (read_file (pages[kind].template, NULL), values);
  const char *title = pages[kind].title;
  const FzTemplateValue layout[] = {
    { "title", title != NULL ? title : value_of (values, "title") },
    { "body", body },
    { "refresh", value_of (values, "refresh") },
    { "account_name", value_of (values, "account_name") },
    { NULL, NULL },
  };

  return fz_template_expand (read_file ("layout.html", NULL), layout);
}

const char *
fz_page_asset (const char *path, size_t *out_length, const char **out_type)
{
  static const struct {
    const char *path;
    const char *file;
    const char *type;
  } assets[] = {
    { "/assets/mark.svg", "mark.svg", "image/svg+xml" },
    { "/assets/style.css", "style.css", "text/css; charset=utf-8" },
  };

  for (size_t i = 0; i < G_N_ELEMENTS (assets); i++) {
    if (strcmp (assets[i].path, path) == 0) {
      *out_type = assets[i].type;
      return read_file (assets[i].file, out_length);
    }
  }
  return NULL;
}

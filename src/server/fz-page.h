/* fz-page.h
 *
 * The pages of the portal as whole documents, and the files they refer to. What
 * they look like is in pages/; what may be put into each is said here.
 */
#pragma once

#include "src/server/fz-template.h"

#include <glib.h>

typedef enum {
  FZ_PAGE_ACCOUNT, /* problem, account; as, state, nonce, redirect_to */
  FZ_PAGE_SIGN_IN, /* account_name, action, form, problem, email, gui, headless; as, … */
  FZ_PAGE_OPENING, /* account_name, actor_name, link, refresh */
  FZ_PAGE_TOKEN,   /* account_name, actor_name, fragment, expires */
  FZ_PAGE_MESSAGE, /* title, text, hint, link, link_text, account_name */
} FzPageKind;

/* A document; g_free. */
char *fz_page_render (FzPageKind kind, const FzTemplateValue *values);

/* Style sheet or picture under its path ("/assets/style.css"); NULL if there is none. Borrowed. */
const char *fz_page_asset (const char *path, size_t *out_length, const char **out_type);

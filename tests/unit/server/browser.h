/* browser.h
 *
 * A browser without script at the portal's sign-in pages: keeps their cookies and
 * the last form's token, and shows what came, headers and body.
 */
#pragma once

#include "tests/unit/server/portal-fixture.h"

#define PASSWORD "correct horse battery"
#define STATE    "state0123456789"
#define NONCE    "nonce0123456789"
#define LINK     "as=gui-client&state=" STATE "&nonce=" NONCE
#define PAGE     "/acme/sign_in"

typedef struct {
  Portal *portal;
  char *form_cookie;   /* "name=value", or NULL */
  char *answer_cookie; /* likewise */
  char *token;         /* of the last form seen */
  const char *more;    /* headers of every request, or "" */
} Browser;

typedef struct {
  unsigned status;
  char *text; /* headers and body */
} Page;

void page_clear (Page *page);
void browser_clear (Browser *browser);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Page, page_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Browser, browser_clear)

/* A running portal with the account "acme", where "sam" has PASSWORD. */
Portal *browser_portal_new (void);
JsonObject *browser_find_sign_in (JsonArray *tokens); /* the token that a sign-in made */
unsigned browser_count_sign_ins (Portal *portal);     /* how many there are */

/* A request with the cookies, answered; @head without Host, @body may be NULL. */
Page browser_exchange (Browser *browser, const char *head, const char *body);
Page browser_get (Browser *browser, const char *target);
Page browser_post_body (Browser *browser, const char *target, const char *body);

/* The form at PAGE, as opened by @link or by LINK. */
void browser_open_form (Browser *browser);
Page
browser_post_link (Browser *browser, const char *link, const char *email, const char *password);
Page browser_post (Browser *browser, const char *email, const char *password);

void page_assert_location (const Page *page, unsigned status, const char *location);
void page_assert_has (const Page *page, const char *text);

/* What stands between @before and @after, or NULL. */
char *browser_cut (const char *text, const char *before, const char *after);

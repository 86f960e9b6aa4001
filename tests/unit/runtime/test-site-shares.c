/* test-site-shares.c: no client's questions take the places of all */

#include "src/runtime/fz-site-shares.h"

#define PLACES    12u
#define OF_CLIENT 5u

typedef struct {
  unsigned of; /* which client's */
  FzSitePlace place;
} Question;

static FzIp
client (unsigned i)
{
  return (FzIp){ FZ_IP_V4, { 100, 64, (uint8_t) (i >> 8), (uint8_t) i } };
}

static bool
ask (FzSiteShares *shares, Question *question, unsigned i, Question **out_gone)
{
  FzIp ip = client (i);
  void *gone;
  bool is_in;

  question->of = i;
  is_in = fz_site_shares_take (shares, &question->place, &ip, question, &gone);
  *out_gone = gone;
  return is_in;
}

static void
test_share (void)
{
  FzSiteShares *shares = fz_site_shares_new (PLACES, OF_CLIENT);
  Question questions[4 * OF_CLIENT] = { 0 };
  Question *gone;

  /* two take all they may; one more of the same is refused */
  for (unsigned i = 0; i < 2 * OF_CLIENT; i++)
    g_assert_true (ask (shares, &questions[i], i / OF_CLIENT, &gone));
  g_assert_false (ask (shares, &questions[10], 0, &gone));
  g_assert_null (gone);
  g_assert_true (ask (shares, &questions[10], 2, &gone));
  g_assert_true (ask (shares, &questions[11], 3, &gone));
  g_assert_null (gone);

  /* all places are taken: whoever has less takes from who has most, the newest */
  for (unsigned i = 12; i < 15; i++) {
    g_assert_true (ask (shares, &questions[i], 4, &gone));
    g_assert_nonnull (gone);
    g_assert_cmpuint (gone->of, <=, 1);
    g_assert_null (gone->place.share);
    g_assert_true (gone == &questions[OF_CLIENT - 1] || gone == &questions[2 * OF_CLIENT - 1] ||
                   gone == &questions[OF_CLIENT - 2] || gone == &questions[2 * OF_CLIENT - 2]);
  }
  /* 4, 3, 1, 1 and 3, or the like: a fourth of the last client's would only turn things round */
  g_assert_false (ask (shares, &questions[15], 4, &gone));

  fz_site_shares_leave (shares, &questions[10].place);
  fz_site_shares_leave (shares, &questions[10].place);
  g_assert_true (ask (shares, &questions[15], 4, &gone));
  g_assert_null (gone);
  fz_site_shares_free (shares);
  g_assert_null (questions[11].place.share);
}

/* Ten that ask without end between them have all places, and another hundred lack nothing. */
static void
test_flood (void)
{
  FzSiteShares *shares = fz_site_shares_new (FZ_SITE_DNS_QUESTIONS_MAX, FZ_SITE_DNS_OF_CLIENT_MAX);
  g_autofree Question *questions = g_new0 (Question, 20 * FZ_SITE_DNS_OF_CLIENT_MAX + 100);
  unsigned n = 0;
  Question *gone;

  for (unsigned i = 0; i < 20 * FZ_SITE_DNS_OF_CLIENT_MAX; i++)
    n += ask (shares, &questions[i], i % 10, &gone);
  g_assert_cmpuint (n, ==, FZ_SITE_DNS_QUESTIONS_MAX);
  for (unsigned i = 0; i < 100; i++) {
    g_assert_true (ask (shares, &questions[20 * FZ_SITE_DNS_OF_CLIENT_MAX + i], 1000 + i, &gone));
    g_assert_cmpuint (gone->of, <, 10);
  }
  fz_site_shares_free (shares);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/site-shares/share", test_share);
  g_test_add_func ("/site-shares/flood", test_flood);
  return g_test_run ();
}

/* test-users.c: a user's budget outlives his names, for as long as he owes */

#include "src/ipc/fz-ipc-users.h"

#define PER_S 400u
#define START 5000000 /* µs */

static unsigned
spend_all (FzIpcUser *user, int64_t now_us)
{
  unsigned n = 0;

  while (fz_ipc_use_spend (&user->use, PER_S, now_us))
    n++;
  return n;
}

/* Leaves and comes back at once, as often as he likes: no more than the same calls by one name. */
static void
test_coming_back (void)
{
  FzIpcUsers *users = fz_ipc_users_new ();
  int64_t now = START;
  unsigned n = 0;

  for (unsigned i = 0; i < 1000; i++, now += 1000) {
    FzIpcUser *bob = fz_ipc_users_take (users, 1001, now);

    n += spend_all (bob, now);
    fz_ipc_user_unref (bob, now);
  }
  g_assert_cmpuint (n, ==, PER_S + PER_S * 999 / 1000);
  fz_ipc_users_unref (users);
}

/* Nobody pays for another one; who has paid is as new, and is forgotten. */
static void
test_others (void)
{
  FzIpcUsers *users = fz_ipc_users_new ();
  FzIpcUser *bob = fz_ipc_users_take (users, 1001, START);
  FzIpcUser *root = fz_ipc_users_take (users, 0, START);

  g_assert_cmpuint (spend_all (bob, START), ==, PER_S);
  g_assert_cmpuint (spend_all (root, START), ==, PER_S);
  g_assert_true (fz_ipc_users_take (users, 1001, START) == bob);
  fz_ipc_user_unref (bob, START);
  fz_ipc_user_unref (bob, START);
  g_assert_cmpuint (fz_ipc_users_length (users), ==, 2);
  fz_ipc_user_unref (root, START + G_USEC_PER_SEC);
  g_assert_cmpuint (fz_ipc_users_length (users), ==, 0);
  bob = fz_ipc_users_take (users, 1001, START + G_USEC_PER_SEC);
  g_assert_cmpuint (spend_all (bob, START + G_USEC_PER_SEC), ==, PER_S);
  fz_ipc_users_unref (users); /* he keeps it */
  fz_ipc_user_unref (bob, START + G_USEC_PER_SEC);
}

/* At the maximum all are remembered; one more, and the first is forgotten. */
static void
test_many (void)
{
  FzIpcUsers *users = fz_ipc_users_new ();
  FzIpcUser *user;

  for (uint32_t uid = 1; uid <= FZ_IPC_USERS_RESTING_MAX + 1; uid++) {
    user = fz_ipc_users_take (users, uid, START);
    g_assert_cmpuint (spend_all (user, START), ==, PER_S);
    fz_ipc_user_unref (user, START);
    g_assert_cmpuint (fz_ipc_users_length (users), ==, MIN (uid, FZ_IPC_USERS_RESTING_MAX));
  }
  user = fz_ipc_users_take (users, 2, START);
  g_assert_cmpuint (spend_all (user, START), ==, 0);
  fz_ipc_user_unref (user, START);
  user = fz_ipc_users_take (users, 1, START);
  g_assert_cmpuint (spend_all (user, START), ==, PER_S);
  fz_ipc_user_unref (user, START);
  fz_ipc_users_unref (users);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/users/coming-back", test_coming_back);
  g_test_add_func ("/users/others", test_others);
  g_test_add_func ("/users/many", test_many);
  return g_test_run ();
}

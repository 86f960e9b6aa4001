/* test-credential.c: a credential written down, read back, and kept by a service manager */

#include "src/crypto/fz-crypto.h"
#include "src/helper/fz-credential-store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static FzCredential *
make (const char *token)
{
  return fz_credential_new (
      fz_token_new (token, NULL), 1000, "wss://api.example/", "corp", "Ada Ünal", 1234567);
}

static void
test_round_trip (void)
{
  g_autoptr (FzCredential) written = make (".token-of-ada");
  g_autoptr (FzCredential) read_back = NULL;
  const FzWish wish = { .wants_connected = true, .owner_was_here = true };
  FzWish wish_back = { 0 };
  uint64_t number = 0;
  GError *error = NULL;
  int fd = fz_credential_write (written, &wish, 7, &error);

  g_assert_no_error (error);
  read_back = fz_credential_read (fd, &wish_back, &number, &error);
  g_assert_no_error (error);
  g_assert_true (fz_credential_is_same (written, read_back));
  g_assert_cmpstr (fz_token_get_text (read_back->token), ==, ".token-of-ada");
  g_assert_cmpuint (read_back->owner, ==, 1000);
  g_assert_cmpstr (read_back->account, ==, "corp");
  g_assert_cmpstr (read_back->actor, ==, "Ada Ünal");
  g_assert_cmpuint (read_back->expires_us, ==, 1234567);
  g_assert_cmpuint (number, ==, 7);
  g_assert_true (wish_back.wants_connected);
  g_assert_true (wish_back.owner_was_here);
  g_assert_false (wish_back.routes_internet);

  /* Nobody changes it any more. */
  g_assert_cmpint (pwrite (fd, "x", 1, 0), ==, -1);
  g_assert_cmpint (ftruncate (fd, 0), ==, -1);
  close (fd);
}

static void
test_without_url (void)
{
  g_autoptr (FzCredential) written =
      fz_credential_new (fz_token_new ("t", NULL), 0, NULL, NULL, NULL, 0);
  g_autoptr (FzCredential) read_back = NULL;
  FzWish wish = { 0 };
  uint64_t number;
  int fd = fz_credential_write (written, &wish, 1, NULL);

  read_back = fz_credential_read (fd, &wish, &number, NULL);
  g_assert_null (read_back->api_url);
  g_assert_cmpstr (read_back->actor, ==, "");
  close (fd);
}

static void
test_garbage (void)
{
  static const char *const texts[] = {
    "",
    "x",
    "[tunnel]\nformat=1\n",
    "[tunnel]\nformat=2\n\0token",
    "\0token",
    "[tunnel]\nformat=1\n\0",
  };
  static const size_t lengths[] = { 0, 1, 18, 24, 6, 19 };

  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    int fd = memfd_create ("fz-test", MFD_CLOEXEC);
    g_autoptr (GError) error = NULL;
    FzWish wish;
    uint64_t number;

    g_assert_cmpint (write (fd, texts[i], lengths[i]), ==, (ssize_t) lengths[i]);
    g_assert_null (fz_credential_read (fd, &wish, &number, &error));
    g_assert_nonnull (error);
    close (fd);
  }
}

static void
test_too_long (void)
{
  int fd = memfd_create ("fz-test", MFD_CLOEXEC);
  g_autoptr (GError) error = NULL;
  FzWish wish;
  uint64_t number;

  g_assert_cmpint (ftruncate (fd, FZ_CREDENTIAL_STORED_MAX + 1), ==, 0);
  g_assert_null (fz_credential_read (fd, &wish, &number, &error));
  g_assert_nonnull (error);
  close (fd);
}

static void
test_same (void)
{
  g_autoptr (FzCredential) a = make ("one"), b = make ("one"), c = make ("two"), d = make ("one");

  d->owner = 1001;
  g_assert_true (fz_credential_is_same (a, b));
  g_assert_false (fz_credential_is_same (a, c));
  g_assert_false (fz_credential_is_same (a, d));
  g_free (b->api_url);
  b->api_url = g_strdup ("wss://other.example/");
  g_assert_false (fz_credential_is_same (a, b));
}

/* -- a service manager of our own -- */

typedef struct {
  char *folder;
  char *path;
  int socket;
} Manager;

static void
manager_open (Manager *self)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  self->folder = g_dir_make_tmp ("fz-notify-XXXXXX", NULL);
  self->path = g_build_filename (self->folder, "socket", NULL);
  g_strlcpy (address.sun_path, self->path, sizeof address.sun_path);
  self->socket = socket (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (self->socket, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_setenv ("NOTIFY_SOCKET", self->path, TRUE);
}

static void
manager_close (Manager *self)
{
  g_unsetenv ("NOTIFY_SOCKET");
  close (self->socket);
  g_unlink (self->path);
  g_rmdir (self->folder);
  g_free (self->path);
  g_free (self->folder);
}

/* The next message; NULL: there is none. */
static char *
manager_hear (Manager *self, int *out_fd)
{
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE (sizeof (int)) + CMSG_SPACE (sizeof (struct ucred))];
  } control = { 0 };
  char text[512] = "";
  struct iovec iov = { text, sizeof text - 1 };
  struct msghdr message = {
    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  ssize_t n = recvmsg (self->socket, &message, MSG_CMSG_CLOEXEC);

  *out_fd = -1;
  if (n < 0)
    return NULL;
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
      memcpy (out_fd, CMSG_DATA (c), sizeof (int));
  return g_strndup (text, (gsize) n);
}

static void
expect_stored (Manager *manager, const char *name, const char *token)
{
  int fd;
  g_autofree char *text = manager_hear (manager, &fd);
  g_autofree char *line = g_strconcat ("FDNAME=", name, NULL);
  g_autoptr (FzCredential) credential = NULL;
  FzWish wish;
  uint64_t number;

  g_assert_nonnull (text);
  g_assert_nonnull (strstr (text, "FDSTORE=1"));
  g_assert_nonnull (strstr (text, line));
  g_assert_null (strstr (text, token));
  g_assert_cmpint (fd, >=, 0);
  credential = fz_credential_read (fd, &wish, &number, NULL);
  g_assert_nonnull (credential);
  g_assert_cmpstr (fz_token_get_text (credential->token), ==, token);
  close (fd);
}

static void
expect_removed (Manager *manager, const char *name)
{
  int fd;
  g_autofree char *text = manager_hear (manager, &fd);
  g_autofree char *whole = g_strconcat ("FDSTOREREMOVE=1\nFDNAME=", name, NULL);

  g_assert_cmpstr (text, ==, whole);
  g_assert_cmpint (fd, ==, -1);
}

static void
test_store (void)
{
  const FzLog silent = { 0 };
  const FzWish wish = { 0 };
  Manager manager;
  g_autoptr (FzCredential) credential = make ("secret-of-ada");
  g_autoptr (FzCredentialStore) store = NULL;
  int fd;

  manager_open (&manager);
  store = fz_credential_store_new ();
  fz_credential_store_forget (store); /* nothing there: nothing said */
  fz_credential_store_save (store, credential, &wish, &silent);
  expect_stored (&manager, "credential-1", "secret-of-ada");

  /* The new one is there before the old one goes. */
  fz_credential_store_save (store, credential, &wish, &silent);
  expect_stored (&manager, "credential-2", "secret-of-ada");
  expect_removed (&manager, "credential-1");
  fz_credential_store_forget (store);
  expect_removed (&manager, "credential-2");
  fz_credential_store_forget (store);
  g_assert_null (manager_hear (&manager, &fd));
  manager_close (&manager);
}

static void
test_store_without_manager (void)
{
  const FzLog silent = { 0 };
  FzWish wish = { 0 };
  g_autoptr (FzCredential) credential = make ("x");
  g_autoptr (FzCredentialStore) store = fz_credential_store_new ();

  fz_credential_store_save (store, credential, &wish, &silent);
  fz_credential_store_forget (store);
  g_assert_null (fz_credential_store_restore (store, &wish, &silent));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_true (fz_crypto_init ());
  g_test_add_func ("/credential/round-trip", test_round_trip);
  g_test_add_func ("/credential/without-url", test_without_url);
  g_test_add_func ("/credential/garbage", test_garbage);
  g_test_add_func ("/credential/too-long", test_too_long);
  g_test_add_func ("/credential/same", test_same);
  g_test_add_func ("/credential-store/saves", test_store);
  g_test_add_func ("/credential-store/without-manager", test_store_without_manager);
  return g_test_run ();
}

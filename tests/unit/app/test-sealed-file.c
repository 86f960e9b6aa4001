/* test-sealed-file.c: a sign-in that only its passphrase opens */

#include "src/app/fz-sealed-file.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define PASSPHRASE "correct horse battery"
#define TOKEN      "n0nce.SFMyNTY-very-secret"

typedef struct {
  char *folder;
  char *path;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("fz-sealed-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "below", "sign-in.sealed", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *below = g_path_get_dirname (f->path);

  g_unlink (f->path);
  g_rmdir (below);
  g_rmdir (f->folder);
  g_free (f->path);
  g_free (f->folder);
}

static void
write_one (Fixture *f)
{
  g_autoptr (FzCredential) credential =
      fz_credential_new (TOKEN, "acme", "Sam Poe", "wss://portal.test/");
  g_autoptr (GError) error = NULL;

  g_assert_true (fz_sealed_file_write (f->path, PASSPHRASE, credential, &error));
  g_assert_no_error (error);
}

static void
test_round_trip (Fixture *f, gconstpointer data)
{
  g_autoptr (FzCredential) credential = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  struct stat info;
  gsize length;

  write_one (f);
  g_assert_cmpint (stat (f->path, &info), ==, 0);
  g_assert_cmphex (info.st_mode & 0777, ==, 0600);
  g_assert_true (g_file_get_contents (f->path, &bytes, &length, NULL));
  g_assert_null (memmem (bytes, length, TOKEN, strlen (TOKEN)));
  g_assert_null (memmem (bytes, length, "acme", 4));
  g_assert_null (memmem (bytes, length, "portal", 6));

  credential = fz_sealed_file_read (f->path, PASSPHRASE, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (credential->token, ==, TOKEN);
  g_assert_cmpstr (credential->account, ==, "acme");
  g_assert_cmpstr (credential->actor, ==, "Sam Poe");
  g_assert_cmpstr (credential->api_url, ==, "wss://portal.test/");
}

static void
assert_refused (Fixture *f, const char *passphrase, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_sealed_file_read (f->path, passphrase, &error));
  g_assert_error (error, FZ_SEALED_FILE_ERROR, code);
}

static void
test_refusals (Fixture *f, gconstpointer data)
{
  g_autofree char *bytes = NULL;
  gsize length;

  write_one (f);
  assert_refused (f, "correct horse batterY", FZ_SEALED_FILE_ERROR_PASSPHRASE);
  assert_refused (f, "", FZ_SEALED_FILE_ERROR_PASSPHRASE);

  g_assert_true (g_file_get_contents (f->path, &bytes, &length, NULL));
  bytes[length - 1] ^= 1;
  g_assert_true (g_file_set_contents (f->path, bytes, (gssize) length, NULL));
  assert_refused (f, PASSPHRASE, FZ_SEALED_FILE_ERROR_PASSPHRASE);
  for (gsize cut = 0; cut < 70; cut += 23) {
    g_assert_true (g_file_set_contents (f->path, bytes, (gssize) cut, NULL));
    assert_refused (f, PASSPHRASE, FZ_SEALED_FILE_ERROR_DAMAGED);
  }
  memset (bytes + 8, 0xff, 8); /* a number of passes that nobody would wait for */
  g_assert_true (g_file_set_contents (f->path, bytes, (gssize) length, NULL));
  assert_refused (f, PASSPHRASE, FZ_SEALED_FILE_ERROR_DAMAGED);
}

static void
test_no_file (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (fz_sealed_file_read (f->path, PASSPHRASE, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/sealed-file/round-trip", Fixture, NULL, set_up, test_round_trip, tear_down);
  g_test_add ("/sealed-file/refusals", Fixture, NULL, set_up, test_refusals, tear_down);
  g_test_add ("/sealed-file/no-file", Fixture, NULL, set_up, test_no_file, tear_down);
  return g_test_run ();
}

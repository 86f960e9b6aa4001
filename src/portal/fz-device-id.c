#include "src/portal/fz-device-id.h"

#include "src/base/fz-uuid.h"
#include "src/crypto/fz-crypto.h"
#include "src/portal/fz-json.h"
#include "src/portal/fz-portal-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX 4096u

static char *
to_hex (const uint8_t hash[FZ_SHA256_SIZE])
{
  GString *out = g_string_sized_new (2 * FZ_SHA256_SIZE + 1);

  for (size_t i = 0; i < FZ_SHA256_SIZE; i++)
    g_string_append_printf (out, "%02x", hash[i]);
  return g_string_free (out, FALSE);
}

static char *
hash_text (const char *text)
{
  const FzSpan part = fz_span (text, strlen (text));
  uint8_t hash[FZ_SHA256_SIZE];

  fz_sha256 (&part, 1, hash);
  return to_hex (hash);
}

char *
fz_device_id_derive (const char *key, const char *machine_id, size_t length)
{
  const FzSpan part = fz_span (machine_id, length);
  uint8_t hash[FZ_SHA256_SIZE];

  fz_hmac_sha256 (fz_span (key, strlen (key)), &part, 1, hash);
  return to_hex (hash);
}

char *
fz_device_id_to_external (const char *id)
{
  FzUuid uuid;

  return fz_uuid_parse (id, &uuid) ? hash_text (id) : g_strdup (id);
}

static char *
read_saved (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) root = NULL;
  FzJsonReader r = FZ_JSON_READER_INIT;
  const char *id;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, NULL) || length > FILE_BYTES_MAX)
    return NULL;
  root = fz_json_parse (text, length, NULL);
  if (root == NULL)
    return NULL;
  id = fz_json_get_string (&r, fz_json_object (&r, root, "device id"), "device id", "id");
  if (id == NULL || *id == '\0')
    return NULL;
  return g_strdup (id);
}

static char *
derive_from_machine (const char *key, const char *path)
{
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, NULL) || length == 0 || length > FILE_BYTES_MAX ||
      g_str_has_prefix (text, "uninitialized"))
    return NULL;
  return fz_device_id_derive (key, text, length);
}

/* Linked into place, so that of two processes starting at once the second finds the first's id. */
static bool
save_new (const char *path, const char *id)
{
  g_autofree char *directory = g_path_get_dirname (path);
  g_autofree char *temporary = g_strdup_printf ("%s.%ld", path, (long) getpid ());
  g_autofree char *text = g_strdup_printf ("{\"id\":\"%s\"}", id);
  bool is_done;
  int fd;

  if (g_mkdir_with_parents (directory, 0770) < 0)
    return false;
  fd = open (temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0)
    return false;
  is_done = write (fd, text, strlen (text)) == (ssize_t) strlen (text) && fsync (fd) == 0 &&
            fchmod (fd, 0640) == 0;
  close (fd);
  if (is_done && link (temporary, path) < 0)
    is_done = errno == EEXIST ? rename (temporary, path) == 0 : false; /* existing one is bad */
  unlink (temporary);
  return is_done;
}

char *
fz_device_id_get (const char *path, const char *key, const char *machine_id_path, GError **error)
{
  g_autofree char *uuid = NULL;
  g_autofree char *id = read_saved (path);

  if (id == NULL)
    id = derive_from_machine (key, machine_id_path);
  if (id != NULL)
    return g_steal_pointer (&id);

  uuid = g_uuid_string_random ();
  id = hash_text (uuid);
  if (!save_new (path, id)) {
    g_set_error (error,
                 FZ_PORTAL_ERROR,
                 FZ_PORTAL_ERROR_DEVICE_ID,
                 "this device has no id and none can be saved to %s (%s); set FIREZONE_ID or make "
                 "that folder writable",
                 path,
                 g_strerror (errno));
    return NULL;
  }
  return g_steal_pointer (&id);
}

#include "src/helper/fz-credential-store.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define NAME_PREFIX "credential-"

typedef struct {
  int fd;
  char *name;
} Kept;

struct FzCredentialStore {
  GArray *kept;    /* Kept: from the manager, until they are restored */
  uint64_t number; /* of the newest writing; 0: none */
  bool has_stored; /* it is with the manager */
};

static void
clear_kept (gpointer data)
{
  Kept *kept = data;

  close (kept->fd);
  g_free (kept->name);
}

FzCredentialStore *
fz_credential_store_new (void)
{
  FzCredentialStore *self = g_new0 (FzCredentialStore, 1);
  char **names = NULL;
  int n = sd_listen_fds_with_names (1, &names);

  self->kept = g_array_new (FALSE, FALSE, sizeof (Kept));
  g_array_set_clear_func (self->kept, clear_kept);
  for (int i = 0; i < n; i++) {
    Kept kept = { SD_LISTEN_FDS_START + i, g_strdup (names[i]) };

    g_array_append_val (self->kept, kept);
    free (names[i]);
  }
  free (names);
  return self;
}

void
fz_credential_store_free (FzCredentialStore *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->kept);
  g_free (self);
}

static void
take_back (const char *name)
{
  sd_notifyf (0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

static void
take_back_number (uint64_t number)
{
  g_autofree char *name = g_strdup_printf (NAME_PREFIX "%" G_GUINT64_FORMAT, number);

  take_back (name);
}

FzCredential *
fz_credential_store_restore (FzCredentialStore *self, FzWish *out_wish, const FzLog *log)
{
  g_autoptr (FzCredential) best = NULL;

  for (guint i = 0; i < self->kept->len; i++) {
    const Kept *kept = &g_array_index (self->kept, Kept, i);
    g_autoptr (GError) error = NULL;
    FzWish wish = { 0 };
    uint64_t number = 0;
    FzCredential *credential;

    if (!g_str_has_prefix (kept->name, NAME_PREFIX))
      continue; /* none of ours */
    credential = fz_credential_read (kept->fd, &wish, &number, &error);
    if (error != NULL)
      fz_log (log,
              FZ_LOG_WARNING,
              "credential-not-restored",
              "what the service manager kept cannot be used; sign in again",
              FZ_KV_TEXT ("error", error->message));
    if (credential == NULL || number <= self->number) {
      fz_credential_free (credential);
      take_back (kept->name);
      continue;
    }
    if (best != NULL)
      take_back_number (self->number);
    fz_credential_free (best);
    best = credential;
    self->number = number;
    self->has_stored = true;
    *out_wish = wish;
  }
  g_array_set_size (self->kept, 0);
  return g_steal_pointer (&best);
}

void
fz_credential_store_save (FzCredentialStore *self,
                          const FzCredential *credential,
                          const FzWish *wish,
                          const FzLog *log)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;
  int fd = fz_credential_write (credential, wish, self->number + 1, &error);

  if (fd < 0) {
    fz_log (log,
            FZ_LOG_WARNING,
            "credential-not-kept",
            "a crash of the service would end the session",
            FZ_KV_TEXT ("error", error->message));
    return;
  }
  message = g_strdup_printf ("FDSTORE=1\nFDPOLL=0\nFDNAME=" NAME_PREFIX "%" G_GUINT64_FORMAT,
                             self->number + 1);
  if (sd_pid_notify_with_fds (0, 0, message, &fd, 1) > 0) {
    if (self->has_stored)
      take_back_number (self->number);
    self->number++;
    self->has_stored = true;
  }
  close (fd);
}

void
fz_credential_store_forget (FzCredentialStore *self)
{
  if (self->has_stored)
    take_back_number (self->number);
  self->has_stored = false;
}

/* fz-attempts.c
 *
 * See fz-attempts.h. A window begins with the first attempt and ends as a whole.
 */
#include "src/server/fz-attempts.h"

typedef struct {
  int64_t ends_us;
  unsigned n_wrong;
  unsigned n_under_way;
} FzAttemptWindow;

struct FzAttempts {
  GHashTable *windows; /* key → FzAttemptWindow */
  unsigned max_wrong;
  int64_t window_us;
};

FzAttempts *
fz_attempts_new (unsigned max_wrong, int64_t window_us)
{
  FzAttempts *self = g_new0 (FzAttempts, 1);

  self->windows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->max_wrong = max_wrong;
  self->window_us = window_us;
  return self;
}

void
fz_attempts_free (FzAttempts *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->windows);
  g_free (self);
}

static const FzAttemptWindow *
find_window (const FzAttempts *self, const char *key, int64_t now_us)
{
  const FzAttemptWindow *window = g_hash_table_lookup (self->windows, key);

  return window != NULL && window->ends_us > now_us ? window : NULL;
}

int64_t
fz_attempts_wait_us (const FzAttempts *self, const char *key, int64_t now_us)
{
  const FzAttemptWindow *window = find_window (self, key, now_us);

  return window != NULL && window->n_wrong >= self->max_wrong ? window->ends_us - now_us : 0;
}

bool
fz_attempts_is_busy (const FzAttempts *self, const char *key, int64_t now_us)
{
  const FzAttemptWindow *window = find_window (self, key, now_us);

  return window != NULL && window->n_wrong + window->n_under_way >= self->max_wrong;
}

/* What has ended, or else what ends first. */
static void
make_room (FzAttempts *self, int64_t now_us)
{
  GHashTableIter iter;
  gpointer key, value;
  const char *first = NULL;
  int64_t first_us = 0;

  g_hash_table_iter_init (&iter, self->windows);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    const FzAttemptWindow *window = value;

    if (window->ends_us <= now_us) {
      g_hash_table_iter_remove (&iter);
      continue;
    }
    if (first == NULL || window->ends_us < first_us) {
      first = key;
      first_us = window->ends_us;
    }
  }
  if (g_hash_table_size (self->windows) >= FZ_ATTEMPTS_KEYS_MAX)
    g_hash_table_remove (self->windows, first);
}

void
fz_attempts_begin (FzAttempts *self, const char *key, int64_t now_us)
{
  FzAttemptWindow *window = g_hash_table_lookup (self->windows, key);

  if (window == NULL) {
    if (g_hash_table_size (self->windows) >= FZ_ATTEMPTS_KEYS_MAX)
      make_room (self, now_us);
    window = g_new0 (FzAttemptWindow, 1);
    g_hash_table_insert (self->windows, g_strdup (key), window);
  }
  if (window->ends_us <= now_us)
    *window = (FzAttemptWindow){ .ends_us = now_us + self->window_us };
  window->n_under_way++;
}

void
fz_attempts_end (FzAttempts *self, const char *key, bool was_wrong)
{
  FzAttemptWindow *window = g_hash_table_lookup (self->windows, key);

  if (window == NULL || window->n_under_way == 0)
    return; /* forgiven, or made room for others, or of a window that has ended */
  window->n_under_way--;
  if (was_wrong)
    window->n_wrong++;
  else if (window->n_wrong + window->n_under_way == 0)
    g_hash_table_remove (self->windows, key);
}

void
fz_attempts_forgive (FzAttempts *self, const char *key)
{
  g_hash_table_remove (self->windows, key);
}

size_t
fz_attempts_size (const FzAttempts *self)
{
  return g_hash_table_size (self->windows);
}

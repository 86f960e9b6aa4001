/* fz-platform.c: see the headers */

#include "platform/fz-platform-private.h"

#include <string.h>

/* The name is no expression, so the formatter must not touch it. */
/* clang-format off */
G_DEFINE_QUARK (fz-platform-error-quark, fz_platform_error)
/* clang-format on */

void
fz_platform_init (FzPlatform *self, const FzPlatformFunctions *functions, const FzLog *log)
{
  self->functions = functions;
  self->log = fz_log_for (log, "platform");
  self->tuns = g_ptr_array_new ();
}

void
fz_platform_free (FzPlatform *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < self->tuns->len; i++)
    ((FzTun *) g_ptr_array_index (self->tuns, i))->platform = NULL;
  g_ptr_array_unref (self->tuns);
  self->functions->free (self);
}

bool
fz_platform_check_rights (FzPlatform *self, GError **error)
{
  return self->functions->check_rights (self, error);
}

bool
fz_platform_clean_up (FzPlatform *self, GError **error)
{
  return self->functions->clean_up (self, error);
}

/* The kernel's own rule (dev_valid_name), said in words. */
static bool
check_name (const char *name, GError **error)
{
  if (strlen (name) >= IFNAMSIZ) {
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_FAILED,
                 "interface name %s is too long: use at most %d characters",
                 name,
                 IFNAMSIZ - 1);
    return false;
  }
  if (name[0] == '\0' || strcmp (name, ".") == 0 || strcmp (name, "..") == 0 ||
      strpbrk (name, "/:% \t\r\n\f\v") != NULL) {
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_FAILED,
                 "\"%s\" is no name for an interface: use letters, digits and hyphens",
                 name);
    return false;
  }
  return true;
}

FzTun *
fz_platform_open_tun (
    FzPlatform *self, const char *name, unsigned n_queues, bool use_offloads, GError **error)
{
  FzTun *tun;

  g_assert (n_queues >= 1 && n_queues <= FZ_TUN_QUEUES_MAX);
  if (!check_name (name, error))
    return NULL;
  tun = self->functions->open_tun (self, name, n_queues, use_offloads, error);
  if (tun == NULL)
    return NULL;
  tun->functions = self->functions;
  tun->platform = self;
  g_strlcpy (tun->name, name, sizeof tun->name);
  g_ptr_array_add (self->tuns, tun);
  return tun;
}

const FzTunQueue *
fz_tun_get_queues (const FzTun *tun, size_t *out_n)
{
  *out_n = tun->features.n_queues;
  return tun->queues;
}

const FzTunFeatures *
fz_tun_get_features (const FzTun *tun)
{
  return &tun->features;
}

bool
fz_tun_get_statistics (const FzTun *tun, FzTunStatistics *out)
{
  return tun->platform != NULL && tun->functions->get_statistics (tun, out);
}

void
fz_tun_close (FzTun *tun)
{
  if (tun == NULL)
    return;
  if (tun->platform != NULL)
    g_ptr_array_remove (tun->platform->tuns, tun);
  tun->functions->close_tun (tun);
}

bool
fz_platform_set_addresses (
    FzPlatform *self, FzTun *tun, const FzIp *ipv4, const FzIp *ipv6, GError **error)
{
  g_assert (tun->platform == self);
  g_assert (ipv4 == NULL || ipv4->family == FZ_IP_V4);
  g_assert (ipv6 == NULL || ipv6->family == FZ_IP_V6);
  return self->functions->set_addresses (self, tun, ipv4, ipv6, error);
}

bool
fz_platform_set_routes (FzPlatform *self,
                        FzTun *tun,
                        const FzIpNetwork *routes,
                        size_t n_routes,
                        bool use_rules,
                        GError **error)
{
  g_assert (tun->platform == self);
  return self->functions->set_routes (self, tun, routes, n_routes, use_rules, error);
}

bool
fz_platform_add_masquerade (FzPlatform *self, FzTun *tun, GError **error)
{
  g_assert (tun->platform == self);
  return self->functions->add_masquerade (self, tun, error);
}

bool
fz_platform_remove_masquerade (FzPlatform *self, GError **error)
{
  return self->functions->remove_masquerade (self, error);
}

bool
fz_platform_watch_network (
    FzPlatform *self, FzTun *tun, FzNetworkChangeFunc func, gpointer user_data, GError **error)
{
  g_assert (tun->platform == self);
  return self->functions->watch_network (self, tun, func, user_data, error);
}

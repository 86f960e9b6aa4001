/* fz-device.c: see the header */

#include "src/runtime/fz-device.h"

struct FzDevice {
  FzDeviceConfig config;
  char *name;
  FzTun *tun;             /* NULL while closed */
  FzTunFeatures features; /* of the last one that was open */
  bool has_interface;
  FzIp ipv4;
  FzIp ipv6;
  FzIpNetwork *routes;
  size_t n_routes;
  bool is_masquerading;
};

FzDevice *
fz_device_new (const FzDeviceConfig *config)
{
  FzDevice *self = g_new0 (FzDevice, 1);

  self->config = *config;
  self->name = g_strdup (config->name);
  return self;
}

void
fz_device_free (FzDevice *self)
{
  if (self == NULL)
    return;
  fz_device_close (self);
  g_free (self->routes);
  g_free (self->name);
  g_free (self);
}

bool
fz_device_open (FzDevice *self, GError **error)
{
  FzPlatform *platform = self->config.platform;

  self->tun = fz_platform_open_tun (
      platform, self->name, self->config.n_queues, self->config.use_offloads, error);
  if (self->tun == NULL)
    return false;
  self->features = *fz_tun_get_features (self->tun);
  if (fz_platform_watch_network (
          platform, self->tun, self->config.on_change, self->config.user_data, error))
    return true;
  fz_device_close (self);
  return false;
}

bool
fz_device_is_open (const FzDevice *self)
{
  return self->tun != NULL;
}

void
fz_device_close (FzDevice *self)
{
  g_clear_pointer (&self->tun, fz_tun_close);
}

void
fz_device_set_interface (
    FzDevice *self, const FzIp *ipv4, const FzIp *ipv6, const FzIpNetwork *routes, size_t n_routes)
{
  FzIpNetwork *copy = g_memdup2 (routes, n_routes * sizeof *routes);

  g_free (self->routes);
  self->routes = copy;
  self->n_routes = n_routes;
  self->ipv4 = *ipv4;
  self->ipv6 = *ipv6;
  self->has_interface = true;
}

bool
fz_device_apply (FzDevice *self, GError **error)
{
  FzPlatform *platform = self->config.platform;

  if (!self->has_interface)
    return true;
  if (!fz_platform_set_addresses (platform,
                                  self->tun,
                                  self->ipv4.family != FZ_IP_NONE ? &self->ipv4 : NULL,
                                  self->ipv6.family != FZ_IP_NONE ? &self->ipv6 : NULL,
                                  error) ||
      !fz_platform_set_routes (platform,
                               self->tun,
                               self->routes,
                               self->n_routes,
                               self->config.role == FZ_ROLE_CLIENT,
                               error))
    return false;
  if (self->config.role != FZ_ROLE_GATEWAY)
    return true;
  self->is_masquerading = true; /* half-made rules are to be removed as well */
  return fz_platform_add_masquerade (platform, self->tun, error);
}

static void
log_left (FzDevice *self, const char *what, const GError *error)
{
  fz_log (&self->config.log,
          FZ_LOG_WARNING,
          "left-behind",
          "something of the tunnel could not be removed; the next start will",
          FZ_KV_TEXT ("what", what),
          FZ_KV_TEXT ("error", error->message));
}

void
fz_device_undo (FzDevice *self)
{
  g_autoptr (GError) error = NULL;

  if (self->is_masquerading) {
    if (!fz_platform_remove_masquerade (self->config.platform, &error))
      log_left (self, "masquerading", error);
    self->is_masquerading = false;
  }
  g_clear_error (&error);
  if (self->tun == NULL || !self->has_interface)
    return;

  /* A client's rules would outlive the device, and lead into tables that are empty. */
  if (self->config.role == FZ_ROLE_CLIENT) {
    if (!fz_platform_clean_up (self->config.platform, &error))
      log_left (self, "rules", error);
  } else if (!fz_platform_set_routes (self->config.platform, self->tun, NULL, 0, false, &error) &&
             !g_error_matches (error, FZ_PLATFORM_ERROR, FZ_PLATFORM_ERROR_GONE)) {
    log_left (self, "routes", error);
  }
}

const FzTunQueue *
fz_device_get_queues (const FzDevice *self)
{
  size_t n;

  return self->tun != NULL ? fz_tun_get_queues (self->tun, &n) : NULL;
}

FzTunFeatures
fz_device_get_features (const FzDevice *self)
{
  return self->features;
}

bool
fz_device_get_statistics (const FzDevice *self, FzTunStatistics *out)
{
  return self->tun != NULL && fz_tun_get_statistics (self->tun, out);
}

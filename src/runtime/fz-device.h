/* fz-device.h
 *
 * The tunnel device as it should be: its addresses, routes and masquerading are
 * remembered, so that a device that was removed can be made again exactly as it
 * was. Engine thread.
 */
#pragma once

#include "platform/fz-platform.h"
#include "src/dataplane/fz-snapshot.h"

typedef struct {
  FzPlatform *platform; /* borrowed, like all below */
  FzLog log;
  FzRole role;
  const char *name;
  bool use_offloads;
  unsigned n_queues; /* asked for; an old kernel may give one only */
  FzNetworkChangeFunc on_change;
  gpointer user_data;
} FzDeviceConfig;

typedef struct FzDevice FzDevice;

FzDevice *fz_device_new (const FzDeviceConfig *config);
void fz_device_free (FzDevice *self); /* closes first */

/* Makes the device and watches the network; it is down until fz_device_apply. A failure leaves it
 * closed. */
bool fz_device_open (FzDevice *self, GError **error);
bool fz_device_is_open (const FzDevice *self);
void fz_device_close (FzDevice *self);

/* Remembers what the device must look like. */
void fz_device_set_interface (
    FzDevice *self, const FzIp *ipv4, const FzIp *ipv6, const FzIpNetwork *routes, size_t n_routes);

/* Makes it look like that; nothing to do before the first fz_device_set_interface. */
bool fz_device_apply (FzDevice *self, GError **error);

/* Takes routes and masquerading back: the last thing before it is closed for good. */
void fz_device_undo (FzDevice *self);

/* As many as its features say; NULL while closed. */
const FzTunQueue *fz_device_get_queues (const FzDevice *self);
FzTunFeatures fz_device_get_features (const FzDevice *self);
bool fz_device_get_statistics (const FzDevice *self, FzTunStatistics *out); /* false: no device */

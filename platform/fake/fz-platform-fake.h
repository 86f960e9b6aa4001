/* fz-platform-fake.h
 *
 * What tests do with a platform that exists in memory only: look at the state,
 * make the n-th call fail, be the kernel's end of the TUN queues, and let
 * network changes happen. All of it on the test's thread; the descriptors may
 * be used by others.
 */
#pragma once

#include "platform/fz-platform.h"

typedef enum {
  FZ_FAKE_CHECK_RIGHTS,
  FZ_FAKE_CLEAN_UP,
  FZ_FAKE_OPEN_TUN,
  FZ_FAKE_SET_ADDRESSES,
  FZ_FAKE_SET_ROUTES,
  FZ_FAKE_ADD_MASQUERADE,
  FZ_FAKE_REMOVE_MASQUERADE,
  FZ_FAKE_WATCH_NETWORK,
  FZ_N_FAKE_CALLS,
} FzFakeCall;

/* The next call but @n - 1 fails with @code and changes nothing (1: the next one); then all is well
 * again. 0 takes the order back. */
void fz_platform_fake_fail_at (FzPlatform *self, unsigned n, FzPlatformError code);

/* Calls so far, of one kind or of all; those that failed are counted too. */
unsigned fz_platform_fake_count (const FzPlatform *self, FzFakeCall call);
unsigned fz_platform_fake_count_all (const FzPlatform *self);

/* The same in words: "check-rights clean-up open-tun"; free with g_free. */
char *fz_platform_fake_dup_calls (const FzPlatform *self);

/* Plays a machine without one IP version: addresses and routes of it are ignored. */
void fz_platform_fake_set_family (FzPlatform *self, FzIpFamily family, bool is_available);

/* -- state: of the device opened last; without one as if nothing was set -- */
bool fz_platform_fake_has_tun (const FzPlatform *self);
bool fz_platform_fake_is_up (const FzPlatform *self);
const char *fz_platform_fake_get_tun_name (const FzPlatform *self); /* NULL without a device */

/* The address of @family, NULL without one. Borrowed until the next call. */
const FzIp *fz_platform_fake_get_address (const FzPlatform *self, FzIpFamily family);

/* In the order they were given. Borrowed until the next call. */
const FzIpNetwork *fz_platform_fake_get_routes (const FzPlatform *self, size_t *out_n);
bool fz_platform_fake_has_route (const FzPlatform *self, const char *network);
bool fz_platform_fake_has_rules (const FzPlatform *self);
bool fz_platform_fake_has_masquerade (const FzPlatform *self);
bool fz_platform_fake_is_watched (const FzPlatform *self);

/* The kernel's end of queue @i: what is written there the program reads, and the other way round;
 * one packet a message, with a vnet header where the queue has one. Non-blocking, borrowed; -1
 * without a device. */
int fz_platform_fake_get_kernel_fd (const FzPlatform *self, unsigned i);

/* -- events -- */

/* Calls the watcher's function at once; false if nobody watches. */
bool fz_platform_fake_change_network (FzPlatform *self, FzNetworkChange change);

/* Deletes the device under its user: reads see the end, writes fail, FZ_NETWORK_CHANGE_TUN_GONE is
 * told and calls that name the device fail with FZ_PLATFORM_ERROR_GONE. */
void fz_platform_fake_delete_tun (FzPlatform *self);

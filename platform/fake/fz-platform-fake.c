/* fz-platform-fake.c: see the header */

#include "platform/fake/fz-platform-fake.h"

#include "platform/fz-platform-private.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  FzTun base;
  int kernel_fds[FZ_TUN_QUEUES_MAX]; /* -1 once the device is deleted */
  bool is_up;
  bool is_deleted;
  FzIp ipv4, ipv6; /* FZ_IP_NONE without one */
  GArray *routes;  /* FzIpNetwork */
} FakeTun;

typedef struct {
  FzPlatform base;
  unsigned n_calls[FZ_N_FAKE_CALLS];
  GString *calls;
  unsigned fail_in; /* calls until one fails; 0: never */
  FzPlatformError fail_code;
  bool has_ipv4, has_ipv6;
  bool has_rules;
  bool has_masquerade;
  const FakeTun *watched; /* NULL: nobody watches, or its end was told */
  FzNetworkChangeFunc on_change;
  gpointer user_data;
} Fake;

static const char *const call_names[FZ_N_FAKE_CALLS] = {
  [FZ_FAKE_CHECK_RIGHTS] = "check-rights",
  [FZ_FAKE_CLEAN_UP] = "clean-up",
  [FZ_FAKE_OPEN_TUN] = "open-tun",
  [FZ_FAKE_SET_ADDRESSES] = "set-addresses",
  [FZ_FAKE_SET_ROUTES] = "set-routes",
  [FZ_FAKE_ADD_MASQUERADE] = "add-masquerade",
  [FZ_FAKE_REMOVE_MASQUERADE] = "remove-masquerade",
  [FZ_FAKE_WATCH_NETWORK] = "watch-network",
};

static const FzIp no_ip;

static const FakeTun *
last_tun (const FzPlatform *platform)
{
  guint n = platform->tuns->len;

  return n > 0 ? g_ptr_array_index (platform->tuns, n - 1) : NULL;
}

/* Counts the call; false, with @error set, if it is the one to fail or @tun (optional) is gone. */
static bool
begin_call (Fake *self, FzFakeCall call, const FzTun *tun, GError **error)
{
  self->n_calls[call]++;
  g_string_append_printf (self->calls, "%s%s", self->calls->len > 0 ? " " : "", call_names[call]);
  if (self->fail_in > 0 && --self->fail_in == 0) {
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 self->fail_code,
                 "%s was told to fail; take the order back",
                 call_names[call]);
    return false;
  }
  if (tun != NULL && ((const FakeTun *) tun)->is_deleted) {
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_GONE,
                 "interface %s was deleted: open it anew",
                 tun->name);
    return false;
  }
  return true;
}

static void
free_fake (FzPlatform *platform)
{
  Fake *self = (Fake *) platform;

  g_string_free (self->calls, TRUE);
  g_free (self);
}

static bool
check_rights (FzPlatform *platform, GError **error)
{
  return begin_call ((Fake *) platform, FZ_FAKE_CHECK_RIGHTS, NULL, error);
}

static bool
clean_up (FzPlatform *platform, GError **error)
{
  Fake *self = (Fake *) platform;

  if (!begin_call (self, FZ_FAKE_CLEAN_UP, NULL, error))
    return false;
  self->has_rules = false;
  self->has_masquerade = false;
  return true;
}

static void
close_fds (FakeTun *tun)
{
  for (unsigned i = 0; i < tun->base.features.n_queues; i++) {
    close (tun->base.queues[i].fd);
    if (tun->kernel_fds[i] >= 0)
      close (tun->kernel_fds[i]);
  }
}

static void
close_tun (FzTun *base)
{
  FakeTun *tun = (FakeTun *) base;
  Fake *self = (Fake *) base->platform;

  if (self != NULL && self->watched == tun)
    self->watched = NULL;
  close_fds (tun);
  g_array_unref (tun->routes);
  g_free (tun);
}

static bool
is_name_taken (const FzPlatform *platform, const char *name)
{
  for (guint i = 0; i < platform->tuns->len; i++) {
    const FakeTun *tun = g_ptr_array_index (platform->tuns, i);

    if (!tun->is_deleted && g_str_equal (tun->base.name, name))
      return true;
  }
  return false;
}

static bool
get_statistics (const FzTun *tun, FzTunStatistics *out)
{
  *out = (FzTunStatistics){ 0 };
  return true;
}

static FzTun *
open_tun (
    FzPlatform *platform, const char *name, unsigned n_queues, bool use_offloads, GError **error)
{
  FakeTun *tun;

  if (!begin_call ((Fake *) platform, FZ_FAKE_OPEN_TUN, NULL, error))
    return NULL;
  if (is_name_taken (platform, name)) {
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_BUSY,
                 "interface %s exists already: stop the program that uses it",
                 name);
    return NULL;
  }
  tun = g_new0 (FakeTun, 1);
  tun->routes = g_array_new (FALSE, FALSE, sizeof (FzIpNetwork));
  tun->base.features = (FzTunFeatures){
    .vnet_header = use_offloads,
    .checksum = use_offloads,
    .tso = use_offloads,
    .tso_ecn = use_offloads,
    .uso = use_offloads,
  };
  for (unsigned i = 0; i < n_queues; i++) {
    int fds[2];
    int result = socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);

    g_assert_cmpint (result, ==, 0);
    tun->base.queues[i] = (FzTunQueue){ fds[0], use_offloads, fds[0] };
    tun->kernel_fds[i] = fds[1];
    tun->base.features.n_queues = i + 1;
  }
  return &tun->base;
}

static bool
set_addresses (
    FzPlatform *platform, FzTun *base, const FzIp *ipv4, const FzIp *ipv6, GError **error)
{
  Fake *self = (Fake *) platform;
  FakeTun *tun = (FakeTun *) base;

  if (!begin_call (self, FZ_FAKE_SET_ADDRESSES, base, error))
    return false;
  tun->ipv4 = ipv4 != NULL && self->has_ipv4 ? *ipv4 : no_ip;
  tun->ipv6 = ipv6 != NULL && self->has_ipv6 ? *ipv6 : no_ip;
  if ((ipv4 != NULL || ipv6 != NULL) && tun->ipv4.family == FZ_IP_NONE &&
      tun->ipv6.family == FZ_IP_NONE) {
    g_set_error (error,
                 FZ_PLATFORM_ERROR,
                 FZ_PLATFORM_ERROR_UNSUPPORTED,
                 "interface %s takes no address: switch that IP version on",
                 base->name);
    return false;
  }
  tun->is_up = true;
  return true;
}

static bool
set_routes (FzPlatform *platform,
            FzTun *base,
            const FzIpNetwork *routes,
            size_t n_routes,
            bool use_rules,
            GError **error)
{
  Fake *self = (Fake *) platform;
  FakeTun *tun = (FakeTun *) base;

  if (!begin_call (self, FZ_FAKE_SET_ROUTES, base, error))
    return false;
  g_array_set_size (tun->routes, 0);
  for (size_t i = 0; i < n_routes; i++)
    if (routes[i].ip.family == FZ_IP_V4 ? self->has_ipv4 : self->has_ipv6)
      g_array_append_val (tun->routes, routes[i]);
  self->has_rules = use_rules;
  return true;
}

static bool
add_masquerade (FzPlatform *platform, FzTun *tun, GError **error)
{
  Fake *self = (Fake *) platform;

  if (!begin_call (self, FZ_FAKE_ADD_MASQUERADE, tun, error))
    return false;
  self->has_masquerade = true;
  return true;
}

static bool
remove_masquerade (FzPlatform *platform, GError **error)
{
  Fake *self = (Fake *) platform;

  if (!begin_call (self, FZ_FAKE_REMOVE_MASQUERADE, NULL, error))
    return false;
  self->has_masquerade = false;
  return true;
}

static bool
watch_network (
    FzPlatform *platform, FzTun *tun, FzNetworkChangeFunc func, gpointer user_data, GError **error)
{
  Fake *self = (Fake *) platform;

  if (!begin_call (self, FZ_FAKE_WATCH_NETWORK, tun, error))
    return false;
  self->watched = (const FakeTun *) tun;
  self->on_change = func;
  self->user_data = user_data;
  return true;
}

static const FzPlatformFunctions functions = {
  .free = free_fake,
  .check_rights = check_rights,
  .clean_up = clean_up,
  .open_tun = open_tun,
  .get_statistics = get_statistics,
  .close_tun = close_tun,
  .set_addresses = set_addresses,
  .set_routes = set_routes,
  .add_masquerade = add_masquerade,
  .remove_masquerade = remove_masquerade,
  .watch_network = watch_network,
};

FzPlatform *
fz_platform_fake_new (const FzLog *log)
{
  Fake *self = g_new0 (Fake, 1);

  fz_platform_init (&self->base, &functions, log);
  self->calls = g_string_new (NULL);
  self->has_ipv4 = true;
  self->has_ipv6 = true;
  return &self->base;
}

/* -- what tests look at -- */

static const Fake *
fake_of (const FzPlatform *platform)
{
  g_assert (platform->functions == &functions);
  return (const Fake *) platform;
}

void
fz_platform_fake_fail_at (FzPlatform *platform, unsigned n, FzPlatformError code)
{
  Fake *self = (Fake *) fake_of (platform);

  self->fail_in = n;
  self->fail_code = code;
}

unsigned
fz_platform_fake_count (const FzPlatform *platform, FzFakeCall call)
{
  g_assert (call < FZ_N_FAKE_CALLS);
  return fake_of (platform)->n_calls[call];
}

unsigned
fz_platform_fake_count_all (const FzPlatform *platform)
{
  unsigned n = 0;

  for (unsigned i = 0; i < FZ_N_FAKE_CALLS; i++)
    n += fake_of (platform)->n_calls[i];
  return n;
}

char *
fz_platform_fake_dup_calls (const FzPlatform *platform)
{
  return g_strdup (fake_of (platform)->calls->str);
}

void
fz_platform_fake_set_family (FzPlatform *platform, FzIpFamily family, bool is_available)
{
  Fake *self = (Fake *) fake_of (platform);

  if (family == FZ_IP_V4)
    self->has_ipv4 = is_available;
  else
    self->has_ipv6 = is_available;
}

bool
fz_platform_fake_has_tun (const FzPlatform *platform)
{
  const FakeTun *tun = last_tun (platform);

  return tun != NULL && !tun->is_deleted;
}

bool
fz_platform_fake_is_up (const FzPlatform *platform)
{
  const FakeTun *tun = last_tun (platform);

  return tun != NULL && tun->is_up && !tun->is_deleted;
}

const char *
fz_platform_fake_get_tun_name (const FzPlatform *platform)
{
  const FakeTun *tun = last_tun (platform);

  return tun != NULL ? tun->base.name : NULL;
}

const FzIp *
fz_platform_fake_get_address (const FzPlatform *platform, FzIpFamily family)
{
  const FakeTun *tun = last_tun (platform);
  const FzIp *ip;

  if (tun == NULL)
    return NULL;
  ip = family == FZ_IP_V4 ? &tun->ipv4 : &tun->ipv6;
  return ip->family != FZ_IP_NONE ? ip : NULL;
}

const FzIpNetwork *
fz_platform_fake_get_routes (const FzPlatform *platform, size_t *out_n)
{
  const FakeTun *tun = last_tun (platform);

  *out_n = tun != NULL ? tun->routes->len : 0;
  return tun != NULL ? (const FzIpNetwork *) (const void *) tun->routes->data : NULL;
}

bool
fz_platform_fake_has_route (const FzPlatform *platform, const char *text)
{
  size_t n;
  const FzIpNetwork *routes = fz_platform_fake_get_routes (platform, &n);
  FzIpNetwork network;

  g_assert (fz_ip_network_parse (text, &network));
  for (size_t i = 0; i < n; i++)
    if (fz_ip_network_equal (&routes[i], &network))
      return true;
  return false;
}

bool
fz_platform_fake_has_rules (const FzPlatform *platform)
{
  return fake_of (platform)->has_rules;
}

bool
fz_platform_fake_has_masquerade (const FzPlatform *platform)
{
  return fake_of (platform)->has_masquerade;
}

bool
fz_platform_fake_is_watched (const FzPlatform *platform)
{
  return fake_of (platform)->on_change != NULL;
}

int
fz_platform_fake_get_kernel_fd (const FzPlatform *platform, unsigned i)
{
  const FakeTun *tun = last_tun (platform);

  if (tun == NULL || i >= tun->base.features.n_queues)
    return -1;
  return tun->kernel_fds[i];
}

bool
fz_platform_fake_change_network (FzPlatform *platform, FzNetworkChange change)
{
  const Fake *self = fake_of (platform);

  if (self->on_change == NULL)
    return false;
  self->on_change (change, self->user_data);
  return true;
}

void
fz_platform_fake_delete_tun (FzPlatform *platform)
{
  Fake *self = (Fake *) fake_of (platform);
  FakeTun *tun = (FakeTun *) last_tun (platform);

  g_assert (tun != NULL && !tun->is_deleted);
  tun->is_deleted = true;
  tun->is_up = false;
  tun->ipv4 = no_ip;
  tun->ipv6 = no_ip;
  g_array_set_size (tun->routes, 0);
  for (unsigned i = 0; i < tun->base.features.n_queues; i++) {
    close (tun->kernel_fds[i]);
    tun->kernel_fds[i] = -1;
  }
  if (self->watched != tun)
    return;
  self->watched = NULL;
  self->on_change (FZ_NETWORK_CHANGE_TUN_GONE, self->user_data);
}

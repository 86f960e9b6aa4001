/* fz-fake-tunnel.c
 *
 * The whole service, over a machine in memory: firezone-client-tunnel as it is,
 * but that its TUN device, addresses and routes exist only here. Its sockets,
 * portal and bus are real.
 */
#include "platform/fake/fz-dns-control-fake.h"
#include "platform/fake/fz-platform-fake.h"
#include "src/helper/fz-helper-main.h"

static FzPlatform *
open_fake (const FzLog *log, GError **error)
{
  (void) error;
  return fz_platform_fake_new (log);
}

int
main (int argc, char **argv)
{
  static const FzHelperWorld world = { .open_platform = open_fake,
                                       .open_dns = fz_dns_control_fake_new };

  return fz_helper_main (argc, argv, &world);
}

/* fz-tunnel-profile.c
 *
 * How patient a tunnel is, by what its datagrams travel on (connectivity.md
 * §2.7): the timers in which the kinds of connection differ, and no code.
 */
#include "src/engine/fz-tunnel.h"

const FzTunnelProfile fz_tunnel_profile_bare = {
  .rekey_attempt_s = 90,
  .rekey_timeout_s = 5,
  .keepalive_timeout_s = 10,
};
const FzTunnelProfile fz_tunnel_profile_ice = {
  .rekey_attempt_s = 20,
  .rekey_timeout_s = 5,
  .keepalive_timeout_s = 10,
  .is_standing = true,
};
const FzTunnelProfile fz_tunnel_profile_iceless = {
  .rekey_attempt_s = 90,
  .rekey_timeout_s = 2,
  .keepalive_timeout_s = 5,
  .is_standing = true,
};

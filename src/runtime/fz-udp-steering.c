/* fz-udp-steering.c: see the header
 *
 * Words are loaded in network order, and a load past the end ends the program with
 * 0: lane 0. An answer that is no lane leaves the choice to the kernel's hash.
 */

#include "src/runtime/fz-udp-steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

#define BY_HASH          0xffffffffu /* no lane */
#define RESPONSE         0x02000000u /* WireGuard's types: little endian, so first in the word */
#define COOKIE_REPLY     0x03000000u
#define DATA             0x04000000u
#define CHANNEL_MASK     0xf0000000u
#define CHANNEL          0x40000000u
#define CONNECTION_BYTES 0x00ffffffu /* of an index, the session's byte taken out */

bool
fz_udp_steering_attach (int fd, const FzSteering *steering)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, DATA, 6, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, COOKIE_REPLY, 5, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, RESPONSE, 6, 0),
    BPF_STMT (BPF_ALU | BPF_AND | BPF_K, CHANNEL_MASK),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, CHANNEL, 1, 0),
    BPF_STMT (BPF_RET | BPF_K, 0),
    BPF_STMT (BPF_RET | BPF_K, BY_HASH),
    /* data, cookie reply */
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, 4),
    BPF_JUMP (BPF_JMP | BPF_JA, 1, 0, 0),
    /* response */
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, 8),
    /* fz_steering_get_lane */
    BPF_STMT (BPF_ALU | BPF_AND | BPF_K, CONNECTION_BYTES),
    BPF_STMT (BPF_ALU | BPF_MUL | BPF_K, steering->key),
    BPF_STMT (BPF_ALU | BPF_RSH | BPF_K, 16),
    BPF_STMT (BPF_ALU | BPF_MOD | BPF_K, steering->n_lanes),
    BPF_STMT (BPF_RET | BPF_A, 0),
  };
  const struct sock_fprog program = { sizeof code / sizeof code[0], code };

  return setsockopt (fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0;
}

bool
fz_udp_steering_shut (int fd)
{
  struct sock_filter nothing = BPF_STMT (BPF_RET | BPF_K, 0);
  const struct sock_fprog program = { 1, &nothing };

  return setsockopt (fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

void
fz_udp_steering_admit (int fd)
{
  int unused = 0;

  setsockopt (fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
}

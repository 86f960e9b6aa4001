/* fz-udp-steering.h
 *
 * The socket filter that brings a session's datagrams to its lane, where several
 * lanes share one port by SO_REUSEPORT (dataplane.md §13.1). A classic BPF program,
 * so it needs no privilege. What it does by the first bytes of a datagram:
 *
 *   4, 3    data, cookie reply       lane of the receiver index at offset 4
 *   2       handshake response       lane of the receiver index at offset 8
 *   0x4…    a relay's ChannelData    the kernel's hash of the addresses
 *   others  initiation, STUN, …      lane 0
 *
 * All that one relay brings stays together, whoever sent it: the kernel joins such
 * datagrams into one buffer (UDP_GRO looks at addresses and lengths only), which is
 * steered as its first one. By index, the packets of a session would be spread over
 * the lanes of its neighbours, and overtake each other.
 */
#pragma once

#include "src/dataplane/fz-steering.h"

#include <stdbool.h>

/**
 * fz_udp_steering_attach:
 * @fd: any socket of the group, in which lane i is the i-th that was bound
 *
 * Once for each group, after its last bind. It ends with the group.
 *
 * Returns: false with errno set if the kernel refuses; the hash of the addresses then decides
 */
bool fz_udp_steering_attach (int fd, const FzSteering *steering);

/* Lets nothing into a socket, until it is opened again: what came before the group is complete and
 * steered would wait in another lane than what follows it. Before its bind. */
bool fz_udp_steering_shut (int fd);
void fz_udp_steering_admit (int fd);

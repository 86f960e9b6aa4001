/* fz-p2p-control.h
 *
 * What nodes say to each other inside the tunnel (connectivity.md §7): an IPv6
 * packet that no stack would make carries an event of 8 bytes and its payload.
 * Nothing is acknowledged; events are idempotent.
 */
#pragma once

#include "src/base/fz-bytes.h"
#include "src/base/fz-drop.h"
#include "src/base/fz-uuid.h"
#include "src/proto/fz-ip.h"

#include <stdbool.h>

#define FZ_P2P_HEADER_SIZE      48u /* bytes: IPv6 header and event header */
#define FZ_P2P_PACKET_MAX       1280u
#define FZ_P2P_DOMAIN_MAX       254u /* with the terminating zero; no trailing dot */
#define FZ_P2P_ASSIGNED_IPS_MAX 8u

typedef enum {
  FZ_P2P_ASSIGNED_IPS = 0, /* client to gateway */
  FZ_P2P_DOMAIN_STATUS = 1,
  FZ_P2P_GOODBYE = 2,
} FzP2pEventKind;

typedef struct {
  FzUuid resource;
  char domain[FZ_P2P_DOMAIN_MAX];
  FzIp ips[FZ_P2P_ASSIGNED_IPS_MAX];
  size_t n_ips; /* 4 or 8 */
} FzP2pAssignedIps;

typedef struct {
  FzUuid resource;
  char domain[FZ_P2P_DOMAIN_MAX];
  bool is_active; /* any status but "Active" is not */
} FzP2pDomainStatus;

/**
 * fz_p2p_parse:
 * @packet: one that fz_ip_packet_is_control
 * @out_event: FzP2pEventKind, or a number of the future, to be ignored
 *
 * Returns: FZ_DROP_NONE or FZ_DROP_TRUNCATED
 */
FzDrop fz_p2p_parse (const FzIpPacket *packet, uint8_t *out_event, FzSpan *out_payload);

/* JSON in any order of members; unknown ones are skipped. FZ_DROP_BAD_HEADER for what is none or
 * lacks one; @out is then untouched. */
FzDrop fz_p2p_parse_assigned_ips (FzSpan payload, FzP2pAssignedIps *out);
FzDrop fz_p2p_parse_domain_status (FzSpan payload, FzP2pDomainStatus *out);

/* Whole packets. Returns: bytes written, 0 if the domain or the addresses cannot be sent */
size_t fz_p2p_write_goodbye (uint8_t out[FZ_P2P_PACKET_MAX]);
size_t fz_p2p_write_assigned_ips (const FzP2pAssignedIps *event, uint8_t out[FZ_P2P_PACKET_MAX]);
size_t fz_p2p_write_domain_status (const FzP2pDomainStatus *event, uint8_t out[FZ_P2P_PACKET_MAX]);

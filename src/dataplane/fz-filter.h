/* fz-filter.h
 *
 * Traffic filters of a resource and the protocol key they are matched with
 * (tunnel.md §3.1). An empty list permits everything; a non-empty one only what
 * it lists.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  FZ_PROTOCOL_OTHER, /* nothing the filters know, or no transport header in reach */
  FZ_PROTOCOL_TCP,
  FZ_PROTOCOL_UDP,
  FZ_PROTOCOL_ICMP_ECHO,  /* echo request or reply, ICMPv4 or ICMPv6 */
  FZ_PROTOCOL_ICMP_OTHER, /* any other ICMP message that is no error */
  FZ_PROTOCOL_ICMP_ERROR, /* unreachable, time exceeded, packet too big, … */
} FzProtocol;

/* What one direction of a packet is matched by. */
typedef struct {
  uint8_t protocol; /* FzProtocol */
  uint16_t port;    /* host order: destination outbound, source on the way back; ICMP: identifier */
} FzProtocolKey;

typedef enum {
  FZ_FILTER_TCP,
  FZ_FILTER_UDP,
  FZ_FILTER_ICMP,
} FzFilterKind;

typedef struct {
  uint8_t kind;        /* FzFilterKind */
  uint16_t port_first; /* inclusive; 0 … 65535; unused for ICMP */
  uint16_t port_last;
} FzFilter;

bool fz_filters_admit (const FzFilter *filters, size_t n_filters, FzProtocolKey key);
bool fz_filters_equal (const FzFilter *a, size_t n_a, const FzFilter *b, size_t n_b); /* as sets */

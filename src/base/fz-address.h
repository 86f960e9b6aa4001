/* fz-address.h
 *
 * IP addresses, socket addresses and networks as plain values, with their text
 * forms. No lookups, no system calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  FZ_IP_NONE = 0, /* unset */
  FZ_IP_V4 = 4,
  FZ_IP_V6 = 6,
} FzIpFamily;

typedef struct {
  uint8_t family;    /* FzIpFamily */
  uint8_t bytes[16]; /* network order; IPv4 uses the first 4, the rest is zero */
} FzIp;

typedef struct {
  FzIp ip;
  uint16_t port; /* host order */
} FzSocketAddress;

typedef struct {
  FzIp ip;
  uint8_t prefix_length; /* bits: 0 … 32 or 128 */
} FzIpNetwork;

#define FZ_IP_TEXT_MAX             46 /* with the terminating zero */
#define FZ_SOCKET_ADDRESS_TEXT_MAX 56 /* "[…]:65535" */
#define FZ_IP_NETWORK_TEXT_MAX     50

FzIp fz_ip_v4 (const uint8_t bytes[4]);
FzIp fz_ip_v6 (const uint8_t bytes[16]);

/* Number of address bytes: 4, 16, or 0 for FZ_IP_NONE. */
static inline size_t
fz_ip_size (const FzIp *ip)
{
  return ip->family == FZ_IP_V4 ? 4 : ip->family == FZ_IP_V6 ? 16 : 0;
}

bool fz_ip_equal (const FzIp *a, const FzIp *b);
unsigned fz_ip_hash (const void *ip); /* with the next one for GLib's tables, keyed by an FzIp */
int fz_ip_hash_equal (const void *a, const void *b);
int fz_ip_compare (const FzIp *a, const FzIp *b); /* IPv4 before IPv6, then by bytes */
bool fz_ip_is_unspecified (const FzIp *ip);
bool fz_ip_is_loopback (const FzIp *ip);
bool fz_ip_is_multicast (const FzIp *ip);
bool fz_ip_is_link_local (const FzIp *ip);
bool fz_ip_is_broadcast (const FzIp *ip); /* 255.255.255.255 */

/* Strict text forms; false leaves @out untouched. No zone, no port, no spaces. */
bool fz_ip_parse (const char *text, FzIp *out);
const char *fz_ip_format (const FzIp *ip, char out[FZ_IP_TEXT_MAX]);

bool fz_socket_address_equal (const FzSocketAddress *a, const FzSocketAddress *b);
int fz_socket_address_compare (const FzSocketAddress *a, const FzSocketAddress *b);

/* "1.2.3.4:5" or "[::1]:5". */
bool fz_socket_address_parse (const char *text, FzSocketAddress *out);
const char *fz_socket_address_format (const FzSocketAddress *address,
                                      char out[FZ_SOCKET_ADDRESS_TEXT_MAX]);

/**
 * fz_ip_network_parse:
 * @text: "10.0.0.0/8", "fd00::/8", or an address alone (a host network)
 *
 * Returns: false for bad text or for host bits that are set
 */
bool fz_ip_network_parse (const char *text, FzIpNetwork *out);
const char *fz_ip_network_format (const FzIpNetwork *network, char out[FZ_IP_NETWORK_TEXT_MAX]);
bool fz_ip_network_contains (const FzIpNetwork *network, const FzIp *ip);
bool fz_ip_network_equal (const FzIpNetwork *a, const FzIpNetwork *b);

/* The first @prefix_length bits of @ip, the rest zero. */
FzIp fz_ip_masked (const FzIp *ip, unsigned prefix_length);

/* fz-address.c: see the header */

#include "src/base/fz-address.h"

#include "src/base/fz-hash.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

FzIp
fz_ip_v4 (const uint8_t bytes[4])
{
  FzIp ip = { .family = FZ_IP_V4 };

  memcpy (ip.bytes, bytes, 4);
  return ip;
}

FzIp
fz_ip_v6 (const uint8_t bytes[16])
{
  FzIp ip = { .family = FZ_IP_V6 };

  memcpy (ip.bytes, bytes, 16);
  return ip;
}

bool
fz_ip_equal (const FzIp *a, const FzIp *b)
{
  return a->family == b->family && memcmp (a->bytes, b->bytes, fz_ip_size (a)) == 0;
}

unsigned
fz_ip_hash (const void *data)
{
  const FzIp *ip = data;

  return fz_hash_bytes (ip->family, ip->bytes, sizeof ip->bytes);
}

int
fz_ip_hash_equal (const void *a, const void *b)
{
  return fz_ip_equal (a, b);
}

int
fz_ip_compare (const FzIp *a, const FzIp *b)
{
  if (a->family != b->family)
    return a->family < b->family ? -1 : 1;
  return memcmp (a->bytes, b->bytes, fz_ip_size (a));
}

bool
fz_ip_is_unspecified (const FzIp *ip)
{
  static const uint8_t zeros[16];

  return memcmp (ip->bytes, zeros, fz_ip_size (ip)) == 0;
}

bool
fz_ip_is_loopback (const FzIp *ip)
{
  static const uint8_t v6_loopback[16] = { [15] = 1 };

  if (ip->family == FZ_IP_V4)
    return ip->bytes[0] == 127;
  return ip->family == FZ_IP_V6 && memcmp (ip->bytes, v6_loopback, 16) == 0;
}

bool
fz_ip_is_multicast (const FzIp *ip)
{
  if (ip->family == FZ_IP_V4)
    return ip->bytes[0] >> 4 == 0xe;
  return ip->family == FZ_IP_V6 && ip->bytes[0] == 0xff;
}

bool
fz_ip_is_link_local (const FzIp *ip)
{
  if (ip->family == FZ_IP_V4)
    return ip->bytes[0] == 169 && ip->bytes[1] == 254;
  return ip->family == FZ_IP_V6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool
fz_ip_is_broadcast (const FzIp *ip)
{
  static const uint8_t all_ones[4] = { 255, 255, 255, 255 };

  return ip->family == FZ_IP_V4 && memcmp (ip->bytes, all_ones, 4) == 0;
}

bool
fz_ip_parse (const char *text, FzIp *out)
{
  FzIp ip = { .family = FZ_IP_NONE };

  if (inet_pton (AF_INET, text, ip.bytes) == 1)
    ip.family = FZ_IP_V4;
  else if (inet_pton (AF_INET6, text, ip.bytes) == 1)
    ip.family = FZ_IP_V6;
  else
    return false;
  *out = ip;
  return true;
}

const char *
fz_ip_format (const FzIp *ip, char out[FZ_IP_TEXT_MAX])
{
  if (ip->family == FZ_IP_NONE)
    strcpy (out, "none");
  else
    inet_ntop (ip->family == FZ_IP_V4 ? AF_INET : AF_INET6, ip->bytes, out, FZ_IP_TEXT_MAX);
  return out;
}

bool
fz_socket_address_equal (const FzSocketAddress *a, const FzSocketAddress *b)
{
  return a->port == b->port && fz_ip_equal (&a->ip, &b->ip);
}

int
fz_socket_address_compare (const FzSocketAddress *a, const FzSocketAddress *b)
{
  int order = fz_ip_compare (&a->ip, &b->ip);

  return order != 0 ? order : (int) a->port - (int) b->port;
}

/* Decimal, 1 to 5 digits, no sign, at most @max; -1 otherwise. */
static int
parse_small_number (const char *text, int max)
{
  int value = 0;
  size_t n = 0;

  for (; text[n] >= '0' && text[n] <= '9' && n < 5; n++)
    value = value * 10 + (text[n] - '0');
  return n > 0 && text[n] == '\0' && value <= max ? value : -1;
}

bool
fz_socket_address_parse (const char *text, FzSocketAddress *out)
{
  char ip_text[FZ_IP_TEXT_MAX];
  const char *colon = strrchr (text, ':');
  bool is_v6 = text[0] == '[';
  FzSocketAddress address = { 0 };
  size_t length;
  int port;

  if (colon == NULL || (is_v6 && (colon == text || colon[-1] != ']')))
    return false;
  length = (size_t) (colon - text) - (is_v6 ? 2 : 0);
  if (length >= sizeof ip_text)
    return false;
  memcpy (ip_text, text + (is_v6 ? 1 : 0), length);
  ip_text[length] = '\0';

  port = parse_small_number (colon + 1, 65535);
  if (port < 0 || !fz_ip_parse (ip_text, &address.ip))
    return false;
  if ((address.ip.family == FZ_IP_V6) != is_v6)
    return false;
  address.port = (uint16_t) port;
  *out = address;
  return true;
}

const char *
fz_socket_address_format (const FzSocketAddress *address, char out[FZ_SOCKET_ADDRESS_TEXT_MAX])
{
  char ip[FZ_IP_TEXT_MAX];

  fz_ip_format (&address->ip, ip);
  snprintf (out,
            FZ_SOCKET_ADDRESS_TEXT_MAX,
            address->ip.family == FZ_IP_V6 ? "[%s]:%u" : "%s:%u",
            ip,
            (unsigned) address->port);
  return out;
}

FzIp
fz_ip_masked (const FzIp *ip, unsigned prefix_length)
{
  FzIp masked = { .family = ip->family };
  size_t whole = prefix_length / 8;
  unsigned bits = prefix_length % 8;

  if (prefix_length >= fz_ip_size (ip) * 8)
    return *ip;
  memcpy (masked.bytes, ip->bytes, whole);
  if (bits != 0)
    masked.bytes[whole] = (uint8_t) (ip->bytes[whole] & 0xff << (8 - bits));
  return masked;
}

bool
fz_ip_network_parse (const char *text, FzIpNetwork *out)
{
  char ip_text[FZ_IP_TEXT_MAX];
  const char *slash = strchr (text, '/');
  size_t length = slash != NULL ? (size_t) (slash - text) : strlen (text);
  FzIpNetwork network = { 0 };
  FzIp masked;
  int bits;

  if (length >= sizeof ip_text)
    return false;
  memcpy (ip_text, text, length);
  ip_text[length] = '\0';
  if (!fz_ip_parse (ip_text, &network.ip))
    return false;

  bits = (int) fz_ip_size (&network.ip) * 8;
  if (slash != NULL)
    bits = parse_small_number (slash + 1, bits);
  if (bits < 0)
    return false;
  network.prefix_length = (uint8_t) bits;

  masked = fz_ip_masked (&network.ip, network.prefix_length);
  if (!fz_ip_equal (&masked, &network.ip))
    return false;
  *out = network;
  return true;
}

const char *
fz_ip_network_format (const FzIpNetwork *network, char out[FZ_IP_NETWORK_TEXT_MAX])
{
  char ip[FZ_IP_TEXT_MAX];

  fz_ip_format (&network->ip, ip);
  snprintf (out, FZ_IP_NETWORK_TEXT_MAX, "%s/%u", ip, (unsigned) network->prefix_length);
  return out;
}

bool
fz_ip_network_contains (const FzIpNetwork *network, const FzIp *ip)
{
  FzIp masked;

  if (network->ip.family != ip->family)
    return false;
  masked = fz_ip_masked (ip, network->prefix_length);
  return fz_ip_equal (&masked, &network->ip);
}

bool
fz_ip_network_equal (const FzIpNetwork *a, const FzIpNetwork *b)
{
  return a->prefix_length == b->prefix_length && fz_ip_equal (&a->ip, &b->ip);
}

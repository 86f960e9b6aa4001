/* addresses.h: a test's addresses from their text; NULL is none, any other text must be right */
#pragma once

#include "src/base/fz-address.h"

#include <glib.h>

static inline FzIp
test_ip (const char *text)
{
  FzIp out = { 0 };

  g_assert_true (text == NULL || fz_ip_parse (text, &out));
  return out;
}

static inline FzIpNetwork
test_network (const char *text)
{
  FzIpNetwork out = { 0 };

  g_assert_true (text == NULL || fz_ip_network_parse (text, &out));
  return out;
}

static inline FzSocketAddress
test_address (const char *text)
{
  FzSocketAddress out = { 0 };

  g_assert_true (text == NULL || fz_socket_address_parse (text, &out));
  return out;
}

/* fz-doh-address.h
 *
 * A host with addresses that are known already: TLS sees the name, connections
 * see the addresses.
 */
#pragma once

#include "src/base/fz-address.h"

#include <gio/gio.h>

GSocketConnectable *
fz_doh_address_new (const char *host, uint16_t port, const FzIp *ips, size_t n_ips);

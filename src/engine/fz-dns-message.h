/* fz-dns-message.h
 *
 * What is said where a question cannot be answered as it should be: by the
 * client's stub, and by a gateway's resolver.
 */
#pragma once

#include "src/proto/fz-dns.h"

/* "Server failure" to @query. Returns: bytes written, 0 for what must not be answered */
size_t fz_dns_message_write_failure (FzSpan query, uint8_t *out, size_t capacity);

/**
 * fz_dns_message_cut:
 * @capacity: bytes, 512 at least
 *
 * What is left of a reply that is too long for UDP: header and question, with TC.
 *
 * Returns: bytes written, 0 for what is no reply
 */
size_t fz_dns_message_cut (FzSpan reply, uint8_t *out, size_t capacity);

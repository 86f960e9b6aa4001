/* fz-uuid.h
 *
 * Identifiers of clients, gateways, resources, relays and sites: 128 bits,
 * compared as big-endian numbers, written as lower-case text with hyphens.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint8_t bytes[16];
} FzUuid;

#define FZ_UUID_TEXT_MAX 37 /* with the terminating zero */

/* Hyphenated form, any case; false leaves @out untouched. */
bool fz_uuid_parse (const char *text, FzUuid *out);
const char *fz_uuid_format (const FzUuid *id, char out[FZ_UUID_TEXT_MAX]);
bool fz_uuid_equal (const FzUuid *a, const FzUuid *b);
int fz_uuid_compare (const FzUuid *a, const FzUuid *b);

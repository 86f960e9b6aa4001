/* fz-uuid.c: see the header */

#include "src/base/fz-uuid.h"

#include <string.h>

static int
hex_digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

static bool
has_hyphen_before (int i_byte)
{
  return i_byte == 4 || i_byte == 6 || i_byte == 8 || i_byte == 10;
}

bool
fz_uuid_parse (const char *text, FzUuid *out)
{
  FzUuid id;

  for (int i = 0; i < 16; i++) {
    int high, low;

    if (has_hyphen_before (i) && *text++ != '-')
      return false;
    high = hex_digit (text[0]);
    low = high < 0 ? -1 : hex_digit (text[1]);
    if (low < 0)
      return false;
    id.bytes[i] = (uint8_t) (high << 4 | low);
    text += 2;
  }
  if (*text != '\0')
    return false;
  *out = id;
  return true;
}

const char *
fz_uuid_format (const FzUuid *id, char out[FZ_UUID_TEXT_MAX])
{
  static const char digits[] = "0123456789abcdef";
  char *at = out;

  for (int i = 0; i < 16; i++) {
    if (has_hyphen_before (i))
      *at++ = '-';
    *at++ = digits[id->bytes[i] >> 4];
    *at++ = digits[id->bytes[i] & 15];
  }
  *at = '\0';
  return out;
}

bool
fz_uuid_equal (const FzUuid *a, const FzUuid *b)
{
  return fz_uuid_compare (a, b) == 0;
}

int
fz_uuid_compare (const FzUuid *a, const FzUuid *b)
{
  return memcmp (a->bytes, b->bytes, sizeof a->bytes);
}

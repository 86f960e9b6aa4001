#include "src/session/fz-duration.h"

#include "src/base/fz-instant.h"

#include <stddef.h>
#include <string.h>

static const struct {
  const char *name;
  uint64_t ns;
} units[] = {
  { "ns", 1 },
  { "nsec", 1 },
  { "us", FZ_US },
  { "usec", FZ_US },
  { "ms", FZ_MS },
  { "msec", FZ_MS },
  { "s", FZ_S },
  { "sec", FZ_S },
  { "secs", FZ_S },
  { "second", FZ_S },
  { "seconds", FZ_S },
  { "m", 60 * FZ_S },
  { "min", 60 * FZ_S },
  { "mins", 60 * FZ_S },
  { "minute", 60 * FZ_S },
  { "minutes", 60 * FZ_S },
  { "h", 3600 * FZ_S },
  { "hr", 3600 * FZ_S },
  { "hrs", 3600 * FZ_S },
  { "hour", 3600 * FZ_S },
  { "hours", 3600 * FZ_S },
  { "d", 86400 * FZ_S },
  { "day", 86400 * FZ_S },
  { "days", 86400 * FZ_S },
  { "w", 7 * 86400 * FZ_S },
  { "week", 7 * 86400 * FZ_S },
  { "weeks", 7 * 86400 * FZ_S },
};

static bool
read_number (const char **at, uint64_t *out)
{
  const char *p = *at;
  uint64_t value = 0;

  while (*p >= '0' && *p <= '9') {
    if (value > (UINT64_MAX - 9) / 10)
      return false;
    value = value * 10 + (uint64_t) (*p++ - '0');
  }
  if (p == *at)
    return false;
  *at = p;
  *out = value;
  return true;
}

static bool
read_unit (const char **at, uint64_t *out_ns)
{
  size_t length = strspn (*at, "abcdefghijklmnopqrstuvwxyz");

  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
    if (strlen (units[i].name) == length && strncmp (units[i].name, *at, length) == 0) {
      *at += length;
      *out_ns = units[i].ns;
      return true;
    }
  return false;
}

bool
fz_duration_parse (const char *text, uint64_t *out_ns)
{
  const char *at = text + strspn (text, " ");
  uint64_t sum = 0;

  do {
    uint64_t number, unit_ns;

    if (!read_number (&at, &number))
      return false;
    at += strspn (at, " ");
    if (!read_unit (&at, &unit_ns) || number > (UINT64_MAX - 1 - sum) / unit_ns)
      return false;
    sum += number * unit_ns;
    at += strspn (at, " ");
  } while (*at != '\0');

  *out_ns = sum;
  return true;
}

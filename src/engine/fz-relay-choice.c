/* fz-relay-choice.c */
#include "src/engine/fz-relay-choice.h"

#include "src/base/fz-instant.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define DEVIATION_FLOOR_NS (2 * FZ_MS)

static int
compare (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a;
  uint64_t y = *(const uint64_t *) b;

  return x < y ? -1 : x > y;
}

/* Sorts @values. */
static uint64_t
median (uint64_t *values, size_t n)
{
  qsort (values, n, sizeof *values, compare);
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

uint64_t
fz_relay_choice_threshold (const uint64_t *rtts, size_t n)
{
  g_autofree uint64_t *values = g_memdup2 (rtts, n * sizeof *rtts);
  uint64_t middle;

  g_assert (n > 0);
  middle = median (values, n);
  if (n <= 2)
    return values[0] + values[0] / 2;
  for (size_t i = 0; i < n; i++)
    values[i] = values[i] > middle ? values[i] - middle : middle - values[i];
  return middle + 3 * MAX (median (values, n), DEVIATION_FLOOR_NS);
}

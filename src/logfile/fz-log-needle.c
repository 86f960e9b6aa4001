/* fz-log-needle.c: see the header
 *
 * Vectors are the compilers' own extension, so the same code is SSE on x86 and
 * NEON on ARM. Folding by 0x20 makes a few other bytes look like letters ('[' as
 * '{'), which costs a look and no more: the final comparison folds letters only.
 */

#include "src/logfile/fz-log-needle.h"

#include <string.h>

#define LANES 16u
#define STEP  (4 * LANES)

typedef uint8_t Lanes __attribute__ ((vector_size (LANES)));

/* How common a byte is in JSON logs: the smaller the better as a probe. */
static unsigned
commonness (uint8_t byte)
{
  static const char by_rank[] = "zqjxkvwbygpfmuhldcrsniotae6789543210{}[]/_-.:, \"";
  const char *found = byte != '\0' ? strchr (by_rank, byte) : NULL;

  return found != NULL ? (unsigned) (found - by_rank) + 1 : 0;
}

static bool
is_letter (uint8_t byte)
{
  return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

void
fz_log_needle_init (FzLogNeedle *self, FzSpan text)
{
  size_t rarest = 0, second = 0;

  self->length = text.length < sizeof self->lower ? text.length : sizeof self->lower;
  for (size_t i = 0; i < self->length; i++) {
    self->fold[i] = is_letter (text.data[i]) ? 0x20 : 0;
    self->lower[i] = text.data[i] | self->fold[i];
    if (commonness (self->lower[i]) < commonness (self->lower[rarest]))
      rarest = i;
  }
  second = rarest == 0 ? self->length - 1 : 0;
  for (size_t i = 0; i < self->length; i++)
    if (i != rarest && commonness (self->lower[i]) < commonness (self->lower[second]))
      second = i;
  self->probe[0] = rarest;
  self->probe[1] = second;
}

static bool
stands_at (const FzLogNeedle *self, const uint8_t *at)
{
  for (size_t i = 0; i < self->length; i++)
    if ((self->fold[i] != 0 ? at[i] | 0x20 : at[i]) != self->lower[i])
      return false;
  return true;
}

static Lanes
load (const uint8_t *at)
{
  Lanes lanes;

  memcpy (&lanes, at, sizeof lanes);
  return lanes;
}

static bool
has_any (Lanes lanes)
{
  uint64_t words[LANES / 8];

  memcpy (words, &lanes, sizeof words);
  return (words[0] | words[1]) != 0;
}

typedef struct {
  const uint8_t *at;
  uint8_t fold;
  uint8_t byte;
} Probe;

static Probe
probe_in (const FzLogNeedle *self, const uint8_t *hay, size_t which)
{
  size_t place = self->probe[which];

  return (Probe){ hay + place, self->fold[place], self->lower[place] };
}

static Lanes
compare (const Probe *probe, size_t i)
{
  return (Lanes) ((load (probe->at + i) | probe->fold) == probe->byte);
}

/* Whether any of STEP places from @i on may be one. */
static bool
may_stand (const Probe *a, const Probe *b, size_t i)
{
  Lanes any = { 0 };

  for (size_t k = 0; k < STEP; k += LANES)
    any |= compare (a, i + k) & compare (b, i + k);
  return has_any (any);
}

/* Which of the lanes that agree begins the text; LANES if none. */
static size_t
check_lanes (const FzLogNeedle *self, const uint8_t *at, Lanes agree)
{
  if (has_any (agree))
    for (size_t k = 0; k < LANES; k++)
      if (agree[k] != 0 && stands_at (self, at + k))
        return k;
  return LANES;
}

size_t
fz_log_needle_find (const FzLogNeedle *self, FzSpan hay, size_t from)
{
  const Probe a = probe_in (self, hay.data, 0), b = probe_in (self, hay.data, 1);
  size_t n_places, i = from;

  if (hay.length < self->length)
    return hay.length;
  n_places = hay.length - self->length + 1;
  for (; i < n_places && n_places - i >= STEP; i += STEP) {
    if (!may_stand (&a, &b, i))
      continue;
    for (size_t k = 0; k < STEP; k += LANES) {
      size_t place =
          check_lanes (self, hay.data + i + k, compare (&a, i + k) & compare (&b, i + k));

      if (place < LANES)
        return i + k + place;
    }
  }
  for (; i < n_places; i++)
    if (stands_at (self, hay.data + i))
      return i;
  return hay.length;
}

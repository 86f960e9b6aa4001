/* fz-filter.c: see the header */

#include "src/dataplane/fz-filter.h"

static bool
filter_admits (const FzFilter *filter, FzProtocolKey key)
{
  switch ((FzFilterKind) filter->kind) {
  case FZ_FILTER_TCP:
    return key.protocol == FZ_PROTOCOL_TCP && key.port >= filter->port_first &&
           key.port <= filter->port_last;
  case FZ_FILTER_UDP:
    return key.protocol == FZ_PROTOCOL_UDP && key.port >= filter->port_first &&
           key.port <= filter->port_last;
  case FZ_FILTER_ICMP:
    return key.protocol == FZ_PROTOCOL_ICMP_ECHO || key.protocol == FZ_PROTOCOL_ICMP_OTHER ||
           key.protocol == FZ_PROTOCOL_ICMP_ERROR;
  }
  return false; /* unknown means denied */
}

bool
fz_filters_admit (const FzFilter *filters, size_t n_filters, FzProtocolKey key)
{
  for (size_t i = 0; i < n_filters; i++)
    if (filter_admits (&filters[i], key))
      return true;
  return n_filters == 0;
}

static bool
filter_equal (const FzFilter *a, const FzFilter *b)
{
  if (a->kind != b->kind)
    return false;
  return a->kind == FZ_FILTER_ICMP ||
         (a->port_first == b->port_first && a->port_last == b->port_last);
}

/* Whether every filter of @a is in @b. */
static bool
is_subset (const FzFilter *a, size_t n_a, const FzFilter *b, size_t n_b)
{
  for (size_t i = 0; i < n_a; i++) {
    size_t j = 0;

    while (j < n_b && !filter_equal (&a[i], &b[j]))
      j++;
    if (j == n_b)
      return false;
  }
  return true;
}

bool
fz_filters_equal (const FzFilter *a, size_t n_a, const FzFilter *b, size_t n_b)
{
  return is_subset (a, n_a, b, n_b) && is_subset (b, n_b, a, n_a);
}

/* fz-dns-pattern.h
 *
 * The pattern of a DNS resource (tunnel.md §4.2): a glob over labels.
 *
 *   ?      one character other than the dot
 *   *      any run of such characters, also none
 *   **     a whole label of the pattern: any number of labels, also none
 *   [a-z]  one character of a class; [!a] one that is not
 *
 * A leading "*." also matches the bare rest. Letters match in either case.
 * Matching takes time in proportion to pattern times name, whatever they are.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct FzDnsPattern FzDnsPattern;

/* NULL if @text is no pattern: three stars, a double star glued to characters, an open bracket. */
FzDnsPattern *fz_dns_pattern_new (const char *text);
void fz_dns_pattern_free (FzDnsPattern *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FzDnsPattern, fz_dns_pattern_free)

/* @name: in lower case, without final dot; at most FZ_DNS_NAME_MAX bytes, else no match */
bool fz_dns_pattern_matches (const FzDnsPattern *self, const char *name);

/* Below zero if @a is less specific than @b, 0 for the same pattern. */
int fz_dns_pattern_compare (const FzDnsPattern *a, const FzDnsPattern *b);

/* fz-fact-row.h
 *
 * One fact about the connection: a shape, a claim in words, a note. A plain row that shows what it
 * is given.
 */
#pragma once

#include "src/app/fz-status.h"

#include <adwaita.h>

#define FZ_TYPE_FACT_ROW (fz_fact_row_get_type ())
G_DECLARE_FINAL_TYPE (FzFactRow, fz_fact_row, FZ, FACT_ROW, AdwActionRow)

void fz_fact_row_show (FzFactRow *self, const FzFact *fact);

/* The style class that colours a shape: "success", "error", "dim-label"; colour is never all that
 * differs. */
const char *fz_fact_row_style_for (FzFactLevel level);

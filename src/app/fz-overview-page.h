/* fz-overview-page.h
 *
 * The first page: one headline with one button, what is wrong and what to do, the three facts, the
 * Internet switch. It follows the models and holds no state of its own.
 */
#pragma once

#include "src/app/fz-account.h"

#include <adwaita.h>

#define FZ_TYPE_OVERVIEW_PAGE (fz_overview_page_get_type ())
G_DECLARE_FINAL_TYPE (FzOverviewPage, fz_overview_page, FZ, OVERVIEW_PAGE, AdwBin)

/* Once, after the template made it. */
void fz_overview_page_follow (FzOverviewPage *self, FzTunnelModel *tunnel, FzAccount *account);

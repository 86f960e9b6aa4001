/* fz-log-details.h
 *
 * One line of the log, whole: level, time, message, all fields in their order,
 * and the line as it is in the file. Values can be selected, with a caret.
 */
#pragma once

#include "src/app/log/fz-log-model.h"

#include <adwaita.h>

#define FZ_TYPE_LOG_DETAILS (fz_log_details_get_type ())
G_DECLARE_FINAL_TYPE (FzLogDetails, fz_log_details, FZ, LOG_DETAILS, AdwBin)

/* @row: (nullable): shows nothing */
void fz_log_details_set_row (FzLogDetails *self, FzLogRow *row);

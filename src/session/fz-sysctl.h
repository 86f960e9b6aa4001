/* fz-sysctl.h
 *
 * Kernel parameters of the whole machine that the data path profits from.
 */
#pragma once

#include "src/base/fz-log.h"

#define FZ_SYSCTL_RMEM_MAX (16u << 20) /* bytes; linux-apps.md §4.3 */
#define FZ_SYSCTL_WMEM_MAX (2u << 20)

/* Raises net.core.rmem_max and wmem_max; never lowers them. What fails is logged at info. */
void fz_sysctl_raise_buffers (const FzLog *log);

/* fz-engine-error.c: the domain of the engine's errors, apart so that its parts link without it */

#include "src/engine/fz-engine.h"

/* The name is no expression, so the formatter must not touch it. */
/* clang-format off */
G_DEFINE_QUARK (fz-engine-error-quark, fz_engine_error)
/* clang-format on */

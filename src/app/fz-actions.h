/* fz-actions.h
 *
 * The application's actions, and when they are possible. Main thread.
 */
#pragma once

#include "src/app/fz-application.h"

/* Adds them with their shortcuts. In "startup", once the models are there; they follow the models
 * from then on. */
void fz_actions_add (FzApplication *application);

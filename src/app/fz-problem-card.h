/* fz-problem-card.h
 *
 * One problem on the screen: what happened, why, what to do, the button that does it, and the
 * details to copy.
 */
#pragma once

#include "src/app/fz-problem.h"

#include <gtk/gtk.h>

#define FZ_TYPE_PROBLEM_CARD (fz_problem_card_get_type ())
G_DECLARE_FINAL_TYPE (FzProblemCard, fz_problem_card, FZ, PROBLEM_CARD, GtkBox)

GtkWidget *fz_problem_card_new (const FzProblem *problem);

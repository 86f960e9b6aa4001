/* fz-problem.h
 *
 * What is wrong now, in a form that helps: what happened, why, what to do, and the details that a
 * person can copy for whoever helps them. Pure: reads the models, keeps nothing.
 */
#pragma once

#include "src/app/fz-account.h"

typedef struct {
  const char *id;  /* stable: "portal-unreachable" */
  bool is_serious; /* false: worth knowing, nothing is broken */
  char *what;
  char *why;
  char *advice;
  const char *action; /* "app.sign-in" or NULL */
  const char *label;  /* of its button */
  char *details;      /* English, for helpers: codes, versions, times */
} FzProblem;

void fz_problem_free (FzProblem *self);

/* (transfer full) (element-type FzProblem): the most serious first; empty if all is well */
GPtrArray *fz_problem_list (FzTunnelModel *tunnel, FzAccount *account);

/* (transfer full): "what" for a reason code of the service, e.g. for a notification */
char *fz_problem_dup_what (const char *reason);

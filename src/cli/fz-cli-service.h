/* fz-cli-service.h
 *
 * The service as the verbs see it: calls that may ask for a password where somebody can answer, and
 * failures in words that say what to do.
 */
#pragma once

#include "src/cli/fz-cli.h"

/* Connects, and starts the service if it sleeps. Afterwards cli->manager has all properties.
 * Returns FZ_CLI_OK, or another after words on standard error. */
int fz_cli_service_open (FzCli *cli);

/* Words about @error on standard error, and the exit status that fits. */
int fz_cli_service_fail (const GError *error);

/**
 * fz_cli_service_call:
 * @method: "Manager.Connect"
 * @parameters: (nullable): a floating one is taken
 * @fd: a descriptor that the argument h means by index 0; stays open. -1: none
 * @timeout_ms: -1: as long as it takes
 * @out_fd: (nullable): the descriptor that came back
 * @error: stripped of D-Bus's prefix
 *
 * Returns: (nullable): the results
 */
GVariant *fz_cli_service_call (FzCli *cli,
                               const char *method,
                               GVariant *parameters,
                               int fd,
                               int timeout_ms,
                               int *out_fd,
                               GError **error);

/* A call that returns nothing: FZ_CLI_OK, or another after words. */
int fz_cli_service_do (FzCli *cli, const char *method, GVariant *parameters);

/* All objects of one interface ("Resource"): GPtrArray of GVariant a{sv} with their properties, in
 * the order of "Name" where they have one; each also has "@path". NULL with @error. */
GPtrArray *fz_cli_service_list (FzCli *cli, const char *interface, GError **error);

/**
 * fz_cli_service_wait:
 * @timeout_ms: G_MAXUINT: for ever
 * @out_state: (transfer full): the one that came
 *
 * Returns: FZ_CLI_OK, FZ_CLI_TIMEOUT (without words), or another after words
 */
int
fz_cli_service_wait (FzCli *cli, const char *const *states, unsigned timeout_ms, char **out_state);

/* The exit status that says whether there is a connection. */
int fz_cli_service_exit_for (const char *state);

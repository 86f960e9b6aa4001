/* fz-ipc-credential.h
 *
 * The token's way over the bus: a memfd that nobody can change any more, never a string. The app
 * and the command line seal, the service reads. Neither leaves a copy behind.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define FZ_IPC_CREDENTIAL_BYTES_MAX 4096u

/**
 * fz_ipc_credential_seal:
 * @token: 1 to FZ_IPC_CREDENTIAL_BYTES_MAX characters, no white space, visible ASCII
 *
 * Returns: a memfd that holds @token and is sealed; -1 with FZ_IPC_ERROR_INVALID_ARGUMENT or a
 *   GIOError. The caller closes it.
 */
int fz_ipc_credential_seal (const char *token, GError **error);

/**
 * fz_ipc_credential_read:
 * @fd: from another process; trusted in nothing, and stays open
 * @out: at least FZ_IPC_CREDENTIAL_BYTES_MAX + 1 bytes, best locked memory; terminated by zero
 *
 * Returns: false with FZ_IPC_ERROR_INVALID_ARGUMENT if @fd is no memfd, not sealed against
 * shrinking, growing and writing, or holds anything but a token; @out is wiped then
 */
bool fz_ipc_credential_read (int fd, char *out, size_t capacity, GError **error);

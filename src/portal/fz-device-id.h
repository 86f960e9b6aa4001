/* fz-device-id.h
 *
 * What identifies this device to the portal (portal-protocol.md §2.8): an id
 * from a file, or derived from the machine id, or random and then saved.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Keys of the derivation: our own, so that a machine with an upstream client is two devices. The
 * 32 characters themselves are the key, not their hexadecimal value. */
#define FZ_DEVICE_ID_CLIENT_KEY  "6f0d1b54c8a94e0fb2e3a7915d86c47a"
#define FZ_DEVICE_ID_GATEWAY_KEY "a93be7205cd14f6897d05f1e0b64c2d8"

#define FZ_DEVICE_ID_CLIENT_FILE  "/var/lib/dev.firezone.client/config/firezone-id.json"
#define FZ_DEVICE_ID_GATEWAY_FILE "/var/lib/firezone/gateway_id"
#define FZ_DEVICE_ID_MACHINE_FILE "/etc/machine-id"

#define FZ_DEVICE_ID_MAX 255u /* characters; the portal's limit */

/* Lower-case hexadecimal HMAC-SHA256 of the machine id's file content, with its newline. */
char *fz_device_id_derive (const char *key, const char *machine_id, size_t length);

/**
 * fz_device_id_get:
 * @path: {"id":"…"}; a random id is saved here, with its folder, where nothing else is found
 * @machine_id_path: file to derive from
 *
 * Returns: the id; NULL with FZ_PORTAL_ERROR_DEVICE_ID, which names @path
 */
char *
fz_device_id_get (const char *path, const char *key, const char *machine_id_path, GError **error);

/* What is sent as external_id: a bare UUID is hashed, anything else goes as it is. */
char *fz_device_id_to_external (const char *id);

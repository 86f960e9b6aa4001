/* fz-device-info.h
 *
 * What a process tells the portal about its machine: hints from the firmware,
 * the name, and the User-Agent (portal-protocol.md §2.8, §3.2).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
  char *serial; /* SMBIOS system serial number; NULL: unknown, or not ours to read */
  char *uuid;   /* SMBIOS system UUID; likewise */
} FzDeviceInfo;

/* @directory: NULL for /sys/class/dmi/id. Reading both needs root. */
void fz_device_info_read (const char *directory, FzDeviceInfo *out);
void fz_device_info_clear (FzDeviceInfo *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzDeviceInfo, fz_device_info_clear)

/* Host name, else a random UUID: never empty, at most 255 characters. */
char *fz_device_info_dup_name (void);

/**
 * fz_user_agent_new:
 * @component: "headless-client/1.5.12": a component and version of the list that the portal
 *   knows, for it derives from them what may be sent
 * @os_release: text of an os-release file, NULL if there is none
 * @architecture: "x86_64", NULL if unknown
 * @kernel: "6.1.0-27-amd64", NULL if unknown
 */
char *fz_user_agent_new (const char *component,
                         const char *os_release,
                         const char *architecture,
                         const char *kernel);

/* The same with what this system says. */
char *fz_user_agent_for_system (const char *component);

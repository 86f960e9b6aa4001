/* fz-cli-resources.h
 *
 * Properties of a resource as fz_cli_service_list() gives them: GVariant a{sv}.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

const char *fz_cli_resource_get (GVariant *resource, const char *property); /* text; "" if absent */
uint32_t fz_cli_resource_get_rtt (GVariant *resource);

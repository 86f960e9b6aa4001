/* fz-version.c
 *
 * Versions of peers. A peer newer than anything known here gets everything the
 * newest known one gets.
 */
#include "src/server/fz-version.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

static const struct {
  FzComponent component;
  const char *word;
} components[] = {
  { FZ_COMPONENT_RELAY, "relay/" },
  { FZ_COMPONENT_CONNLIB, "connlib/" },
  { FZ_COMPONENT_HEADLESS, "headless-client/" },
  { FZ_COMPONENT_GUI, "gui-client/" },
  { FZ_COMPONENT_APPLE, "apple-client/" },
  { FZ_COMPONENT_ANDROID, "android-client/" },
  { FZ_COMPONENT_GATEWAY, "gateway/" },
};

static bool
parse_number (const char **at, unsigned *out)
{
  unsigned value = 0;
  const char *p = *at;

  while (g_ascii_isdigit (*p) && p - *at < 6)
    value = value * 10 + (unsigned) (*p++ - '0');
  if (p == *at)
    return false;
  *at = p;
  *out = value;
  return true;
}

/* "1.5.11" up to a space or the end; anything else is no version. */
static void
parse_version (const char *text, FzVersion *out)
{
  FzVersion version = *out;

  if (!parse_number (&text, &version.major) || *text++ != '.' ||
      !parse_number (&text, &version.minor) || *text++ != '.' ||
      !parse_number (&text, &version.patch) || (*text != '\0' && *text != ' '))
    return;
  version.has_version = true;
  *out = version;
}

FzVersion
fz_version_from_user_agent (const char *user_agent)
{
  FzVersion version = { 0 };

  for (size_t i = 0; user_agent != NULL && i < G_N_ELEMENTS (components); i++) {
    const char *found = strstr (user_agent, components[i].word);

    if (found == NULL || (found != user_agent && found[-1] != ' '))
      continue;
    version.component = components[i].component;
    parse_version (found + strlen (components[i].word), &version);
    break;
  }
  return version;
}

const char *
fz_version_format (const FzVersion *version, char out[FZ_VERSION_TEXT_MAX])
{
  out[0] = '\0';
  if (version->has_version)
    snprintf (out, FZ_VERSION_TEXT_MAX, "%u.%u.%u", version->major, version->minor, version->patch);
  return out;
}

bool
fz_version_is_known_component (const FzVersion *version)
{
  return version->component != FZ_COMPONENT_UNKNOWN;
}

bool
fz_version_gateway_fits_client (const FzVersion *gateway, const FzVersion *client)
{
  if (!client->has_version)
    return true;
  return gateway->has_version && gateway->major == client->major &&
         gateway->minor + 1 >= client->minor && gateway->minor <= client->minor + 1;
}

static bool
is_at_least (const FzVersion *version, unsigned major, unsigned minor, unsigned patch)
{
  if (!version->has_version)
    return true;
  if (version->major != major)
    return version->major > major;
  if (version->minor != minor)
    return version->minor > minor;
  return version->patch >= patch;
}

bool
fz_version_is_served (const FzVersion *client)
{
  return is_at_least (client, 1, 4, 0);
}

/* One row of the table in §11.2: patch levels of 1.5 from which a feature is there. */
static bool
has_since_1_5 (
    const FzVersion *client, unsigned headless, unsigned gui, unsigned apple, unsigned android)
{
  unsigned patch = client->component == FZ_COMPONENT_HEADLESS  ? headless
                   : client->component == FZ_COMPONENT_APPLE   ? apple
                   : client->component == FZ_COMPONENT_ANDROID ? android
                                                               : gui;

  return is_at_least (client, 1, 5, patch);
}

bool
fz_version_has_sites (const FzVersion *client)
{
  return has_since_1_5 (client, 6, 10, 11, 8);
}

bool
fz_version_can_move_resource (const FzVersion *client)
{
  return has_since_1_5 (client, 5, 9, 9, 5);
}

bool
fz_version_has_internet (const FzVersion *client)
{
  return is_at_least (client, 1, 3, 0);
}

/* log-lines.c: see the header */

#include "tests/unit/logfile/log-lines.h"

#include "src/base/fz-log.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES (1u << 20)

uint8_t
log_lines_level (uint32_t i)
{
  if (i % 1000 == 999)
    return FZ_LOG_ERROR;
  if (i % 100 == 50)
    return FZ_LOG_WARNING;
  return i % 10 == 0 ? FZ_LOG_INFO : FZ_LOG_DEBUG;
}

const char *
log_lines_target (uint32_t i)
{
  static const char *const targets[] = { "wireguard", "ice",  "relay", "portal", "dns",
                                         "session",   "lane", "tun",   "engine" };

  return targets[i % G_N_ELEMENTS (targets)];
}

void
log_lines_append (GString *out, uint32_t i)
{
  int64_t us = LOG_LINES_START_US + i * LOG_LINES_STEP_US, ms = us / 1000;
  unsigned day_ms = (unsigned) (ms % 86400000);

  /* eleven days at most: the month is always March */
  g_string_append_printf (
      out,
      "{\"time\":\"2026-03-%02uT%02u:%02u:%02u.%03uZ\",\"severity\":\"%s\",\"target\":\"%s\","
      "\"message\":\"packet %u of a long day went its way\",\"event\":\"packet-%u\","
      "\"peer\":\"c1f0-%04x\",\"handshake_ms\":%u,\"is_relayed\":%s}\n",
      (unsigned) (1 + (ms / 86400000 - LOG_LINES_START_US / 1000 / 86400000)),
      day_ms / 3600000,
      day_ms / 60000 % 60,
      day_ms / 1000 % 60,
      day_ms % 1000,
      fz_log_level_name (log_lines_level (i)),
      log_lines_target (i),
      i,
      i % 17,
      i * 2654435761u % 65536,
      i % 97,
      i % 2 == 0 ? "true" : "false");
}

static void
write_all (int fd, const GString *text)
{
  for (size_t done = 0; done < text->len;) {
    ssize_t n = write (fd, text->str + done, text->len - done);

    g_assert_cmpint (n, >, 0);
    done += (size_t) n;
  }
}

char *
log_lines_write (uint32_t n_lines)
{
  g_autoptr (GString) chunk = g_string_sized_new (CHUNK_BYTES + 512);
  char *path = NULL;
  int fd = g_file_open_tmp ("fz-log-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  for (uint32_t i = 0; i < n_lines; i++) {
    log_lines_append (chunk, i);
    if (chunk->len >= CHUNK_BYTES || i + 1 == n_lines) {
      write_all (fd, chunk);
      g_string_truncate (chunk, 0);
    }
  }
  close (fd);
  return path;
}

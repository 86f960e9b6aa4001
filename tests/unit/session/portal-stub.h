/* portal-stub.h
 *
 * A portal for the tests of programs: lets everybody in, pushes the frames it
 * was given after each join, remembers what it heard.
 */
#pragma once

#include <glib.h>
#include <libsoup/soup.h>

typedef struct {
  SoupServer *server;
  SoupWebsocketConnection *connection; /* the newest; NULL: nobody is there */
  GPtrArray *pushes;                   /* char *: frames sent after each join */
  GString *heard;                      /* names of events, a space behind each */
  unsigned n_joins;
  char *target; /* of the newest request */
  char *url;    /* "ws://127.0.0.1:…/" */
} PortalStub;

void portal_stub_open (PortalStub *self);
void portal_stub_close (PortalStub *self);

/* A recorded frame of tests/data/portal goes out after each join from now on. */
void portal_stub_push_recorded (PortalStub *self, const char *file);

void portal_stub_say (PortalStub *self, const char *frame); /* now */
void portal_stub_hang_up (PortalStub *self);

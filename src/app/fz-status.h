/* fz-status.h
 *
 * What a person is told at a glance, made from the models: one headline with one thing to press,
 * three facts that are never mixed up (signed in, portal reached, path up), and what is wrong, each
 * with why and what to do. Window, tray and notifications take their words from here. Pure: reads
 * the models, keeps nothing.
 */
#pragma once

#include "src/app/fz-account.h"

typedef enum {
  FZ_FACT_OFF,  /* not so, and nothing is wrong */
  FZ_FACT_BUSY, /* on its way */
  FZ_FACT_GOOD,
  FZ_FACT_BAD,
} FzFactLevel;

typedef struct {
  FzFactLevel level;
  char *title; /* "Portal reached" */
  char *note;  /* "answers in 23 ms", may be "" */
} FzFact;

typedef struct {
  const char
      *icon; /* "connected" "connecting" "disconnected" "attention": shape of logo and tray */
  char *headline;
  char *explanation;
  char *tray;         /* one line: "Connected to acme" */
  const char *action; /* of the primary button, "app.connect"; NULL: nothing to press */
  const char *label;  /* its words, with a mnemonic */
  bool is_suggested;  /* the button is what the person most likely wants */
  bool is_busy;       /* something is on its way */
  FzFact signed_in;
  FzFact portal;
  FzFact path;
} FzStatus;

void fz_status_read (FzStatus *out, FzTunnelModel *tunnel, FzAccount *account);
void fz_status_clear (FzStatus *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FzStatus, fz_status_clear)

/* Names of symbolic icons. */
const char *fz_status_fact_icon (FzFactLevel level);
char *fz_status_dup_logo (const FzStatus *self);

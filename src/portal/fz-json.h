/* fz-json.h
 *
 * JSON from outside: a parse that bounds depth and number of values before the
 * library sees the text, and a sticky reader over the tree. A function that
 * reads one message reads every member, then looks at the reader once.
 *
 * An error names the member and what was expected, never the value: it may be a
 * secret.
 */
#pragma once

#include "src/base/fz-address.h"
#include "src/base/fz-uuid.h"
#include "src/crypto/fz-crypto.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FZ_JSON_DEPTH_MAX  64u         /* objects and arrays inside each other */
#define FZ_JSON_VALUES_MAX (1u << 20)  /* in one text; bounds the memory of the tree */
#define FZ_JSON_BYTES_MAX  (16u << 20) /* upstream's websocket accepts no longer frame */

/**
 * fz_json_parse:
 *
 * Returns: the tree, free with json_node_unref; NULL with
 *   FZ_PORTAL_ERROR_TRUNCATED if the text ends inside a value, or FZ_PORTAL_ERROR_MALFORMED
 */
JsonNode *fz_json_parse (const char *text, size_t length, GError **error);

/* Text of a string value with its quotes, appended to @out. */
void fz_json_append_string (GString *out, const char *text);

/* -- sticky reader -- */

typedef struct {
  bool ok;
  char problem[160]; /* the first trouble: "relay: addr: expected an address with port" */
} FzJsonReader;

#define FZ_JSON_READER_INIT ((FzJsonReader){ .ok = true })

/* Records a trouble unless there is one already. */
void fz_json_fail (FzJsonReader *r, const char *what, const char *member, const char *expected);

/* Turns the trouble into FZ_PORTAL_ERROR_MALFORMED; returns whether there was none. */
bool fz_json_reader_finish (const FzJsonReader *r, GError **error);

/* The object in @node, NULL and a failure if it is none. @what: the noun for the error, "relay". */
JsonObject *fz_json_object (FzJsonReader *r, JsonNode *node, const char *what);

/* NULL if absent; JSON's null is a node. @object may be NULL: absent. */
JsonNode *fz_json_member (JsonObject *object, const char *member);

/* -- members: a failure, and zero or NULL, if absent or of another type. Strings belong to the
 *    tree. An @object of NULL yields zero without a new failure: it has been reported. -- */
JsonObject *
fz_json_get_object (FzJsonReader *r, JsonObject *object, const char *what, const char *member);
JsonArray *
fz_json_get_array (FzJsonReader *r, JsonObject *object, const char *what, const char *member);
const char *
fz_json_get_string (FzJsonReader *r, JsonObject *object, const char *what, const char *member);
uint64_t
fz_json_get_u64 (FzJsonReader *r, JsonObject *object, const char *what, const char *member);
bool fz_json_get_bool (FzJsonReader *r, JsonObject *object, const char *what, const char *member);
FzUuid fz_json_get_uuid (FzJsonReader *r, JsonObject *object, const char *what, const char *member);
void fz_json_get_key (FzJsonReader *r,
                      JsonObject *object,
                      const char *what,
                      const char *member,
                      uint8_t out[FZ_KEY_SIZE]);

/* A host address; a full-length prefix ("/32", "/128") is tolerated (portal-protocol.md §16). */
FzIp fz_json_get_ip (
    FzJsonReader *r, JsonObject *object, const char *what, const char *member, FzIpFamily family);

/* -- optional members -- */

/* NULL if absent or null. */
const char *fz_json_get_optional_string (FzJsonReader *r,
                                         JsonObject *object,
                                         const char *what,
                                         const char *member);
/* NULL if absent; null is a failure, as upstream has it. */
JsonArray *fz_json_get_optional_array (FzJsonReader *r,
                                       JsonObject *object,
                                       const char *what,
                                       const char *member);
/* @fallback if absent; null is a failure. */
bool fz_json_get_bool_or (
    FzJsonReader *r, JsonObject *object, const char *what, const char *member, bool fallback);
/* @fallback if absent or null. */
uint64_t fz_json_get_u64_or (
    FzJsonReader *r, JsonObject *object, const char *what, const char *member, uint64_t fallback);

/* -- single nodes -- */
const char *fz_json_node_string (JsonNode *node); /* NULL if it is no string */
bool fz_json_node_u64 (JsonNode *node, uint64_t *out);

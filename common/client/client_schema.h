/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schemas of a client: made by wh_client_set_schema, asked by client_batch.c, freed
 * with the client.
 */
#ifndef WH_COMMON_CLIENT_CLIENT_SCHEMA_H
#define WH_COMMON_CLIENT_CLIENT_SCHEMA_H

#include "common/client/client_internal.h"
#include "common/job/payload.h"

/* WH_OK, too, when its type has no schema; else as wh_payload_check. */
wh_err wh_client_schema_check(wh_client *c, const wh_job_spec *spec,
                              wh_errbuf *eb) WH_MUSTCHECK;
void wh_client_schema_clear(wh_client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs as JSON lines: splitting stdin into lines, and one line into a wh_job_spec.
 */
#ifndef WH_COMMON_CLI_CLI_JSONL_H
#define WH_COMMON_CLI_CLI_JSONL_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/job/job.h"

typedef struct wh_cli_jsonl_reader {
    int fd;
    wh_buf text;    /* read and not yet consumed */
    size_t scanned; /* bytes of it without a line break */
    bool at_end;
    int64_t line;  /* number of the last one, from 1 */
    int64_t bytes; /* consumed */
} wh_cli_jsonl_reader;

void wh_cli_jsonl_init(wh_cli_jsonl_reader *r, int fd);
void wh_cli_jsonl_fini(wh_cli_jsonl_reader *r);
/* The next line that is not blank, without its end; valid until the next call. *line NULL
 * at the end of input. WH_ECANCELED: a signal came first. */
wh_err wh_cli_jsonl_next(wh_cli_jsonl_reader *r, const char **line, size_t *n,
                         wh_errbuf *eb) WH_MUSTCHECK;

/* One job; what the line leaves out comes from dflt. */
typedef struct wh_cli_jsonl_job {
    wh_job_spec spec;
    void *json; /* what spec borrows from */
    char *payload;
    uint8_t id[WH_UUID_BYTES];
} wh_cli_jsonl_job;
/* WH_EINVAL names the field. Frees nothing of dflt. */
wh_err wh_cli_jsonl_parse(const char *line, size_t n, const wh_job_spec *dflt,
                          wh_cli_jsonl_job *out, wh_errbuf *eb) WH_MUSTCHECK;
void wh_cli_jsonl_job_fini(wh_cli_jsonl_job *j);

/* The protocol's words, and keep-last, as the flag has it. */
bool wh_cli_jsonl_conflict(const char *text, wh_job_conflict *out);

/* Is it a traceparent of W3C Trace Context, version 00? Handlers hand it on to tracers,
 * which drop a malformed one without a word. */
bool wh_cli_jsonl_is_trace(const char *text);
#define WH_CLI_JSONL_NO_TRACE                                                          \
    "no W3C traceparent; write 00-TRACE-PARENT-FLAGS in lowercase hex digits: 32 and " \
    "16, not all zeros, and 2"

#endif

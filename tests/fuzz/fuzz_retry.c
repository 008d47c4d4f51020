/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a retry policy and as an error word. Input: two bytes of attempt and
 * category, then the text. An accepted policy must give legal delays only; a refused
 * one must leave the policy alone and say why.
 */
#include "common/job/retry.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const wh_retry_policy *p, int attempt, uint8_t category)
{
    const wh_retry_question q = {.attempt = attempt,
                                 .category =
                                     (wh_errclass)(category % WH_ERRCLASS_COUNT),
                                 .asked_delay_ms = -1};
    int64_t delay_ms = -1;
    bool again = wh_retry_decide(p, &q, &delay_ms);
    WH_ASSERT(delay_ms >= 0 && delay_ms <= INT64_C(315360000000));
    WH_ASSERT(again || delay_ms == 0);
    WH_ASSERT(!again ||
              (attempt < p->max_attempts && wh_errclass_is_retryable(q.category)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    char *text = malloc(size - 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data + 2, size - 2);
    text[size - 2] = '\0';
    WH_ASSERT((unsigned)wh_errclass_of_word(text, size - 2) < WH_ERRCLASS_COUNT);

    wh_retry_policy p, before;
    wh_errbuf eb = {0};
    memset(&before, 0, sizeof before);
    wh_retry_default(&before);
    memcpy(&p, &before, sizeof p);
    if (wh_retry_parse(text, &p, &eb) == WH_OK) {
        for (int attempt = 1; attempt <= p.max_attempts; attempt++) {
            ask(&p, attempt, data[0]);
        }
        p.max_attempts = INT32_MAX;
        ask(&p, data[1] * 8000000 + 1, data[0]);
    } else {
        WH_ASSERT(memcmp(&p, &before, sizeof p) == 0);
        WH_ASSERT(eb.text[0] != '\0');
    }
    free(text);
    return 0;
}

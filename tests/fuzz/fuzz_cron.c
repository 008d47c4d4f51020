/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a cron expression. Input: a byte that chooses the zone, four bytes of the
 * instant, then the text. What is accepted must fire in order and at matching times; what
 * is refused must say where, and leave the result alone. Dictionary: fuzz_cron.dict.
 */
#include "common/job/cron.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 5, FIRES = 16 };

/* No table, only a rule: two blocks with one local time each, then the text. */
static wh_zone *make_zone(uint8_t choice)
{
    static const char *const rules[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "<-04>4<-03>,M9.1.6/24,M4.1.6/24", "MMT0:44:30", "AAA24BBB-24,J50,J51"};
    static const char block[] = "TZif3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                "\0\0\0\0\0\0\0\0\0\0\0\0"
                                "\0\0\0\0\0\0\0\1\0\0\0\4"
                                "\0\0\0\0\0\0"
                                "LMT";
    char bytes[256];
    wh_zone *z = NULL;
    size_t n = 2 * sizeof block;
    if (choice % 6 == 5) {
        return NULL; /* UTC */
    }
    const char *rule = rules[choice % 6];
    memcpy(bytes, block, sizeof block);
    memcpy(bytes + sizeof block, block, sizeof block);
    bytes[n] = '\n';
    memcpy(bytes + n + 1, rule, strlen(rule));
    bytes[n + 1 + strlen(rule)] = '\n';
    wh_err err = wh_zone_parse(bytes, n + 2 + strlen(rule), &z, NULL);
    WH_ASSERT(err == WH_OK || err == WH_ENOMEM);
    return z;
}

static void check_fires(const wh_cron *c, const wh_zone *z, int64_t after_ms)
{
    int64_t at_ms = after_ms;
    for (int i = 0; i < FIRES && wh_cron_next(c, z, after_ms, &at_ms); i++) {
        int64_t at_s = at_ms / 1000;
        int64_t wall_s = at_s + wh_zone_at(z, at_s).offset_s;
        WH_ASSERT(at_ms > after_ms && at_ms >= 0 && at_ms % 1000 == 0);
        WH_ASSERT(!c->is_interval || wh_cron_wall(c, wall_s, wall_s + 1) == wall_s);
        WH_ASSERT(wh_cron_list(c, z, (wh_cron_window){after_ms, at_ms}, NULL, 2) == 1);
        after_ms = at_ms;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wh_cron c, before;
    wh_errbuf eb = {0};
    if (size < HEAD) {
        return 0;
    }
    char *text = malloc(size - HEAD + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data + HEAD, size - HEAD);
    text[size - HEAD] = '\0';
    uint32_t at_s = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 |
                    (uint32_t)data[3] << 8 | data[4];
    memset(&c, 0xaa, sizeof c);
    memcpy(&before, &c, sizeof c);
    if (wh_cron_parse(text, &c, &eb) == WH_OK) {
        wh_zone *z = make_zone(data[0]);
        check_fires(&c, z, (int64_t)at_s * 1700);
        wh_zone_free(z);
    } else {
        WH_ASSERT(memcmp(&c, &before, sizeof c) == 0);
        WH_ASSERT(strncmp(eb.text, "cron expression", 15) == 0);
    }
    free(text);
    return 0;
}

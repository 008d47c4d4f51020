/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a TZif file. A zone that was accepted must cover all time in spans that
 * touch, and cron must keep its order in it. Dictionary: fuzz_zone.dict.
 */
#include "common/job/cron.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SPANS = 600, FIRES = 40 };

static void check_spans(const wh_zone *z, int64_t t)
{
    for (int i = 0; i < SPANS && t < INT64_MAX; i++) {
        wh_zone_span s = wh_zone_at(z, t);
        WH_ASSERT(s.from_s <= t && s.until_s > t);
        WH_ASSERT(s.offset_s >= -WH_ZONE_OFFSET_MAX_S &&
                  s.offset_s <= WH_ZONE_OFFSET_MAX_S);
        WH_ASSERT(strlen(s.abbreviation) < 256);
        if (s.until_s == INT64_MAX) {
            return;
        }
        WH_ASSERT(wh_zone_at(z, s.until_s - 1).until_s == s.until_s);
        WH_ASSERT(wh_zone_at(z, s.until_s).from_s == s.until_s);
        t = s.until_s;
    }
}

static void check_cron(const wh_zone *z, const char *text, int64_t at_ms)
{
    char iso[WH_ZONE_ISO_SIZE];
    wh_cron c;
    wh_err err = wh_cron_parse(text, &c, NULL);
    WH_ASSERT(err == WH_OK);
    for (int i = 0; i < FIRES; i++) {
        int64_t before_ms = at_ms;
        if (!wh_cron_next(&c, z, before_ms, &at_ms)) {
            WH_ASSERT(at_ms == before_ms);
            return;
        }
        WH_ASSERT(at_ms > before_ms);
        WH_ASSERT(strlen(wh_zone_iso(z, at_ms, iso, sizeof iso)) == 29);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {"30 2 * * *", "*/20 * * * *", "0 0 29 2 *",
                                        "59 59 23 L * 5L"};
    wh_zone *z = NULL;
    wh_errbuf eb = {0};
    if (wh_zone_parse(data, size, &z, &eb) != WH_OK) {
        WH_ASSERT(z == NULL && strncmp(eb.text, "time zone: ", 11) == 0);
        return 0;
    }
    check_spans(z, INT64_MIN);
    check_spans(z, 0);
    check_spans(z, INT64_C(4000000000));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check_cron(z, texts[i], 0);
        check_cron(z, texts[i], INT64_C(1774740000000));
    }
    wh_zone_free(z);
    return 0;
}

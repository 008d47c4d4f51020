/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GCRA in whole parts of a ms, which doubles hold exactly. Called from lua_model_limit.c.
 */
#include "tests/support/lua_model_bucket.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct wh_lm_tat wh_lm_tat_of(const char *text)
{
    struct wh_lm_tat tat = {0, 0};
    char *end = NULL;

    tat.ms = (double)strtoll(text, &end, 10);
    if (*end == '.') {
        tat.part = strtod(end, NULL);
    }
    return tat;
}

struct wh_lm_tat wh_lm_tat_at(double ahead, double now, struct wh_lm_rate rate)
{
    double rest = fmod(ahead, rate.n);
    char text[64];

    snprintf(text, sizeof text, "%.12f", rest / rate.n);
    return (struct wh_lm_tat){now + (ahead - rest) / rate.n, strtod(text, NULL)};
}

double wh_lm_tat_ahead(struct wh_lm_tat tat, double now, struct wh_lm_rate rate)
{
    return fmax((tat.ms - now) * rate.n + ceil(tat.part * rate.n - 0.001), 0);
}

double wh_lm_depth(struct wh_lm_rate rate)
{
    return rate.period * rate.burst;
}

double wh_lm_bucket_room(const struct wh_lm_bucket *b)
{
    return fmax(floor((wh_lm_depth(b->rate) - b->ahead) / b->rate.period), 0);
}

struct wh_lm_rate wh_lm_adaptive_rate(double per_s)
{
    return (struct wh_lm_rate){.n = fmax(floor(per_s * 1000 + 1e-6), 1),
                               .period = 1e6,
                               .burst = fmax(1, floor(per_s / 10))};
}

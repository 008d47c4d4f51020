/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One view of JSON and msgpack for schema: a document is a flat list of values in the
 * order of the input. The values inside an array follow it; each member of an object is
 * its name and then its value. `next` jumps over a value with all that is inside it.
 */
#ifndef WH_COMMON_JOB_SCHEMA_DOC_H
#define WH_COMMON_JOB_SCHEMA_DOC_H

#include "common/base/err.h"
#include "common/job/schema_number.h"

#define WH_SCHEMA_NONE UINT32_MAX

enum {
    WH_SCHEMA_DOC_BYTES_MAX = 64 * 1024 * 1024,
    WH_SCHEMA_DOC_VALUES_MAX = 1000000, /* names of members count */
    WH_SCHEMA_DOC_DEPTH_LIMIT = 128,    /* no document's depth_max is above this */
    WH_SCHEMA_DOC_SMALL = 40,
};

/* In this order values of different kinds are sorted. */
typedef enum wh_schema_kind {
    WH_SCHEMA_NULL,
    WH_SCHEMA_FALSE,
    WH_SCHEMA_TRUE,
    WH_SCHEMA_INTEGER, /* any number that an int64 holds: 1, 1.0 and 10e-1 are the same */
    WH_SCHEMA_DECIMAL, /* any other number, and doubles of 2^53 and above */
    WH_SCHEMA_STRING,  /* well-formed UTF-8 */
    WH_SCHEMA_ARRAY,
    WH_SCHEMA_OBJECT,
    WH_SCHEMA_BINARY,   /* msgpack's bin, of no JSON type */
    WH_SCHEMA_EXTENSION /* msgpack's ext with its type byte, of no JSON type */
} wh_schema_kind;

typedef struct wh_schema_value {
    union {
        int64_t integer;
        double real;   /* DECIMAL that is_double: what it is the shortest decimal of */
        const char *p; /* STRING, BINARY, EXTENSION: the bytes; DECIMAL: the digits */
    } u;
    uint32_t n;      /* bytes, digits; items of an ARRAY, members of an OBJECT */
    uint32_t next;   /* the value behind this one */
    uint32_t parent; /* the ARRAY or OBJECT around it; WH_SCHEMA_NONE: the root */
    union {
        uint32_t order;   /* OBJECT: its names, sorted, are doc->order[order], … */
        int32_t exponent; /* DECIMAL; is_double: 0 a whole number, else -1 */
    } x;
    uint8_t kind;   /* wh_schema_kind */
    bool negative;  /* DECIMAL */
    bool is_double; /* DECIMAL; its digits are made when asked for: they take long */
} wh_schema_value;

struct wh_schema_doc_block;

/* Small documents need no allocation. Does not move once initialised. */
typedef struct wh_schema_doc {
    wh_schema_value *values;
    uint32_t *order;
    size_t values_cap, order_cap;
    uint32_t count, order_count;
    struct wh_schema_doc_block *blocks;
    uint32_t open; /* while reading: the innermost ARRAY or OBJECT */
    unsigned depth, depth_max;
    uint64_t work;     /* steps that reading may still take */
    const char *fault; /* why it is too big, with WH_ETOOBIG */
    wh_schema_value small_values[WH_SCHEMA_DOC_SMALL];
    uint32_t small_order[WH_SCHEMA_DOC_SMALL / 2];
} wh_schema_doc;

/* Without a bound to the work; set one before reading. */
void wh_schema_doc_init(wh_schema_doc *d, unsigned depth_max);
void wh_schema_doc_fini(wh_schema_doc *d);

/* For the readers. The values borrow the input, or _text's memory. WH_ETOOBIG: d->fault
 * says what of. */
wh_err wh_schema_doc_add(wh_schema_doc *d, const wh_schema_value *v) WH_MUSTCHECK;
/* Adds the opening of an ARRAY or OBJECT. */
wh_err wh_schema_doc_open(wh_schema_doc *d, wh_schema_kind kind) WH_MUSTCHECK;
/* Ends the innermost one; WH_EBADDATA when two members have one name. Sorting the names
 * is all that reading pays from d->work: the rest is bounded by bytes and values. */
wh_err wh_schema_doc_close(wh_schema_doc *d) WH_MUSTCHECK;
/* Adds a JSON number that was scanned. */
wh_err wh_schema_doc_add_number(wh_schema_doc *d, const char *p, size_t n) WH_MUSTCHECK;
/* Adds a finite double. */
wh_err wh_schema_doc_add_double(wh_schema_doc *d, double real) WH_MUSTCHECK;
/* n bytes that live as long as d; NULL when out of memory. */
char *wh_schema_doc_text(wh_schema_doc *d, size_t n);

/* A member's place among the sorted names of an object; WH_SCHEMA_NONE: not there. */
uint32_t wh_schema_doc_find(const wh_schema_doc *d, uint32_t object, const char *name,
                            size_t n);
/* The value of a member; WH_SCHEMA_NONE: not there. */
uint32_t wh_schema_doc_get(const wh_schema_doc *d, uint32_t object, const char *name,
                           size_t n);
bool wh_schema_doc_is_text(const wh_schema_value *v, const char *text);
/* The number that v, an INTEGER or DECIMAL, is. Adds what it costs to *cost. */
void wh_schema_doc_number(const wh_schema_value *v, char digits[WH_SCHEMA_NUMBER_TEXT],
                          wh_schema_number *out, uint64_t *cost);

typedef struct wh_schema_spot {
    const wh_schema_doc *doc;
    uint32_t at;
} wh_schema_spot;
/* A total order of all values; 0: equal as JSON. Adds what it costs to *cost. */
int wh_schema_doc_compare(wh_schema_spot a, wh_schema_spot b, uint64_t *cost);
/* Sorts values of one document by that order, paid from *work; false: that was not
 * enough, and they are in no order. */
bool wh_schema_doc_sort(const wh_schema_doc *d, uint32_t *items, size_t n,
                        uint64_t *work) WH_MUSTCHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The official JSON Schema test suite, drafts 7 and 2020-12, as two of Debian's packages
 * have it, each case as JSON and as msgpack. Prints how many of each keyword's cases
 * pass; docs/schemas.md shows the result. Every case must pass unless the list below
 * names it with a reason, and what the list names must fail. WH_SCHEMA_SUITE names
 * another folder. Without one of them: what is there, but a failure in CI.
 */
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/job/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>
#include <msgpack.h>

#define REMOTE "refers to another document; nothing is fetched"
#define REFUSED "the keyword is refused when the schema is compiled"

/* Each of at least so many files for a draft, with at least so many cases that pass. */
static const struct suite {
    const char *package, *path, *drafts[2];
    unsigned fewest_files, fewest_passed;
} suites[] = {
    {"json-schema-test-suite",
     "/usr/share/json-schema-test-suite/tests",
     {"draft7"},
     30,
     500},
    {"libtest-json-schema-acceptance-perl",
     "/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance/tests",
     {"draft7", "draft2020-12"},
     30,
     2000},
};

/* What is not expected to pass. `group` NULL: the whole file; else groups whose
 * description begins so. Where a suite has such cases one of them must fail, else the
 * exception is to be taken out. */
static const struct {
    const char *file, *group, *reason;
} exceptions[] = {
    {"refRemote.json", NULL, REMOTE},
    {"dynamicRef.json", NULL, REFUSED},
    {"unevaluatedItems.json", NULL, REFUSED},
    {"unevaluatedProperties.json", NULL, REFUSED},
    {"vocabulary.json", NULL, REFUSED},
    {"content.json", NULL, "contentSchema is refused"},
    {"unknownKeyword.json", NULL, "unknown keywords are refused"},
    {"format.json", NULL, "wants formats not to be checked; optional/format/ counts"},
    {"not.json", "collect annotations inside a 'not'", REFUSED},
    {"ref.json", "ref creates new scope when adjacent to keywords", REFUSED},
    {"ref.json", "remote ref, containing refs itself", REMOTE},
    {"ref.json", "URN base URI with f-component", REMOTE},
    {"definitions.json", "validate definition against metaschema", REMOTE},
    {"definitions.json", "valid definition", REMOTE},
    {"definitions.json", "invalid definition", REMOTE},
    {"defs.json", "validate definition against metaschema", REMOTE},
    {"id.json", "Invalid use of fragments in location-independent $id", REMOTE},
    {"id.json", "Valid use of empty fragments in location-independent $id", REMOTE},
    {"id.json", "Unnormalized $ids are allowed but discouraged", REMOTE},
    {"anchor.json", "invalid anchors", REMOTE},
    {"ecmascript-regex.json", "\\\\a is not an ECMA 262 control escape", REMOTE},
    {"ecmascript-regex.json", "ECMA 262 regex non-compliance",
     "the format regex is refused"},
};
enum { EXCEPTIONS = sizeof exceptions / sizeof exceptions[0] };

/* Of the folder optional/: what Wherry promises, too. */
static const char *const optional[] = {
    "bignum.json",
    "float-overflow.json",
    "zeroTerminatedFloats.json",
    "ecmascript-regex.json",
    "non-bmp-regex.json",
    "unicode.json",
    "no-schema.json",
    "dependencies-compatibility.json",
    "format/date.json",
    "format/date-time.json",
    "format/duration.json",
    "format/email.json",
    "format/hostname.json",
    "format/ipv4.json",
    "format/ipv6.json",
    "format/json-pointer.json",
    "format/time.json",
    "format/uri.json",
    "format/uri-reference.json",
    "format/uuid.json",
};

typedef struct slice {
    const char *p;
    size_t n;
} slice;

typedef struct tally {
    unsigned passed, failed, skipped;
} tally;

static tally total, excepted[EXCEPTIONS];

/* ------------------------------------------- JSON by its text, so that no digit is lost */

static const char *space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Behind the value at p; the suite is well-formed. */
static const char *behind(const char *p)
{
    unsigned depth = 0;
    do {
        if (*p == '"') {
            for (p++; *p != '"'; p++) {
                p += *p == '\\';
            }
            p++;
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            depth--;
            p++;
        } else if (depth > 0 && strchr(",: \t\r\n", *p) != NULL) {
            p++;
        } else {
            p += strcspn(p, ",:]} \t\r\n");
        }
    } while (depth > 0);
    return p;
}

/* The next item of an array or object; *p begins at its opening bracket. */
static bool next(const char **p, slice *item)
{
    *p = space(*p);
    if (**p == '[' || **p == '{' || **p == ',') {
        *p = space(*p + 1);
    }
    if (**p == ']' || **p == '}') {
        return false;
    }
    const char *end = behind(*p);
    *item = (slice){*p, (size_t)(end - *p)};
    *p = end;
    return true;
}

static slice member(slice object, const char *name)
{
    const char *p = object.p;
    slice key, value = {0};
    while (next(&p, &key)) {
        p = space(p);
        p = space(p + 1); /* the colon */
        const char *end = behind(p);
        value = (slice){p, (size_t)(end - p)};
        p = end;
        if (key.n == strlen(name) + 2 && memcmp(key.p + 1, name, key.n - 2) == 0) {
            return value;
        }
    }
    (void)fprintf(stderr, "the suite has a case without %s\n", name);
    exit(EXIT_FAILURE);
}

/* ------------------------------------------------------------------ msgpack */

static int append(void *data, const char *bytes, size_t n)
{
    wh_buf_add(data, bytes, n);
    return 0;
}

static void pack(msgpack_packer *pk, json_t *value);

static void pack_inside(msgpack_packer *pk, json_t *value)
{
    const char *key = NULL;
    size_t i = 0;
    json_t *item = NULL;
    if (json_is_array(value)) {
        (void)msgpack_pack_array(pk, json_array_size(value));
        json_array_foreach(value, i, item)
        {
            pack(pk, item);
        }
        return;
    }
    (void)msgpack_pack_map(pk, json_object_size(value));
    json_object_foreach(value, key, item)
    {
        (void)msgpack_pack_str(pk, strlen(key));
        (void)msgpack_pack_str_body(pk, key, strlen(key));
        pack(pk, item);
    }
}

static void pack(msgpack_packer *pk, json_t *value)
{
    if (json_is_string(value)) {
        (void)msgpack_pack_str(pk, json_string_length(value));
        (void)msgpack_pack_str_body(pk, json_string_value(value),
                                    json_string_length(value));
    } else if (json_is_integer(value)) {
        (void)msgpack_pack_int64(pk, json_integer_value(value));
    } else if (json_is_real(value)) {
        (void)msgpack_pack_double(pk, json_real_value(value));
    } else if (json_is_null(value)) {
        (void)msgpack_pack_nil(pk);
    } else if (json_is_boolean(value)) {
        (void)(json_is_true(value) ? msgpack_pack_true(pk) : msgpack_pack_false(pk));
    } else {
        pack_inside(pk, value);
    }
}

/* The same value in msgpack; false: msgpack or jansson can't hold it (numbers of many
 * digits, a name with a NUL). */
static bool to_msgpack(slice json, wh_buf *out)
{
    enum { EXACT_DIGITS = 17 };
    if (json.p[0] != '"' && strspn(json.p, "-.0123456789") > EXACT_DIGITS) {
        return false;
    }
    json_t *value = json_loadb(json.p, json.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (value == NULL) {
        return false;
    }
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, append);
    pack(&pk, value);
    json_decref(value);
    return wh_buf_ok(out);
}

/* ------------------------------------------------------------------ running */

static void complain(const char *file, slice group, slice test, const char *why)
{
    (void)printf("  FAILED %s: %.*s: %.*s: %s\n", file, (int)group.n, group.p,
                 (int)test.n, test.p, why);
}

static bool agrees(wh_err err, bool wanted)
{
    return err == (wanted ? WH_OK : WH_EINVAL);
}

static bool run_test(const wh_schema *schema, slice test, char why[400])
{
    wh_schema_report report;
    wh_buf packed = {0};
    slice data = member(test, "data");
    bool wanted = member(test, "valid").p[0] == 't';
    wh_err err = wh_schema_check_json(schema, data.p, data.n, &report);
    bool ok = agrees(err, wanted) && (err == WH_OK) == (report.text[0] == '\0');
    (void)snprintf(why, 400, "JSON: %s %s", wh_err_name(err), report.text);
    if (ok && to_msgpack(data, &packed)) {
        err = wh_schema_check_msgpack(schema, packed.data, packed.len, &report);
        ok = agrees(err, wanted);
        (void)snprintf(why, 400, "msgpack: %s %s", wh_err_name(err), report.text);
    }
    wh_buf_fini(&packed);
    return ok;
}

/* EXCEPTIONS: none. */
static size_t find_exception(const char *file, slice group)
{
    size_t i = 0;
    for (; i < EXCEPTIONS; i++) {
        const char *prefix = exceptions[i].group;
        if (strcmp(exceptions[i].file, file) == 0 &&
            (prefix == NULL || (group.n > strlen(prefix) &&
                                memcmp(group.p + 1, prefix, strlen(prefix)) == 0))) {
            break;
        }
    }
    return i;
}

/* In draft-07 a schema says so; the suite's do not. */
static void declare(wh_buf *out, slice schema, bool is_draft7)
{
    bool is_object = schema.p[0] == '{';
    if (!is_draft7 || !is_object || strstr(schema.p, "\"$schema\"") != NULL) {
        const char *declared = strstr(schema.p, "\"$schema\"");
        if (!is_draft7 || !is_object || declared < schema.p + schema.n) {
            wh_buf_add(out, schema.p, schema.n);
            return;
        }
    }
    bool is_empty = *space(schema.p + 1) == '}';
    wh_buf_adds(out, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"");
    wh_buf_adds(out, is_empty ? "" : ",");
    wh_buf_add(out, schema.p + 1, schema.n - 1);
}

/* Of an excepted group all cases count as skipped, but one of them has to fail. */
static void count_excepted(const char *file, slice group, size_t exception,
                           const tally *run, tally *t)
{
    t->skipped += run->passed + run->failed;
    excepted[exception].passed += run->passed;
    excepted[exception].failed += run->failed;
    if (exceptions[exception].group != NULL && run->failed == 0) {
        t->failed++;
        complain(file, group, group, "passes; take it out of the exceptions");
    }
}

static void run_group(const char *file, slice group, bool is_draft7, tally *t)
{
    slice schema = member(group, "schema"), name = member(group, "description"), test;
    const char *p = member(group, "tests").p;
    wh_schema *compiled = NULL;
    wh_errbuf eb = {0};
    wh_buf text = {0};
    tally run = {0};
    const char *base = strrchr(file, '/');
    size_t exception = find_exception(base != NULL ? base + 1 : file, name);
    declare(&text, schema, is_draft7);
    wh_err err = wh_schema_compile(text.data, text.len, &compiled, &eb);
    while (next(&p, &test)) {
        char why[400];
        (void)snprintf(why, sizeof why, "%s", eb.text);
        if (err == WH_OK && run_test(compiled, test, why)) {
            run.passed++;
            continue;
        }
        run.failed++;
        if (exception == EXCEPTIONS) {
            complain(file, name, member(test, "description"), why);
        }
    }
    if (exception < EXCEPTIONS) {
        count_excepted(file, name, exception, &run, t);
    } else {
        t->passed += run.passed;
        t->failed += run.failed;
    }
    wh_schema_free(compiled);
    wh_buf_fini(&text);
}

static char *read_text(const char *path)
{
    wh_buf text = {0};
    char part[4096];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    for (size_t n = 1; n > 0;) {
        n = fread(part, 1, sizeof part, file);
        wh_buf_add(&text, part, n);
    }
    (void)fclose(file);
    return wh_buf_take(&text);
}

/* One file of the suite; false: it is not there. */
static bool run_file(const char *suite, const char *draft, const char *file)
{
    char path[1024];
    slice group;
    tally t = {0};
    (void)snprintf(path, sizeof path, "%s/%s/%s", suite, draft, file);
    char *text = read_text(path);
    if (text == NULL) {
        return false;
    }
    const char *p = text;
    while (next(&p, &group)) {
        run_group(file, group, strcmp(draft, "draft7") == 0, &t);
    }
    wh_free(text);
    (void)printf("%-13s %-42s %4u passed %3u failed %3u skipped\n", draft, file,
                 t.passed, t.failed, t.skipped);
    total.passed += t.passed;
    total.failed += t.failed;
    total.skipped += t.skipped;
    return true;
}

static int is_json(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0;
}

/* How many files of keywords there were. */
static unsigned run_draft(const char *suite, const char *draft)
{
    char path[1024];
    struct dirent **entries = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", suite, draft);
    int n = scandir(path, &entries, is_json, alphasort);
    for (int i = 0; i < n; i++) {
        (void)run_file(suite, draft, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    for (size_t i = 0; n > 0 && i < sizeof optional / sizeof optional[0]; i++) {
        (void)snprintf(path, sizeof path, "optional/%s", optional[i]);
        (void)run_file(suite, draft, path); /* not every draft has each of them */
    }
    return n > 0 ? (unsigned)n : 0;
}

/* false: less was there, or passed, than it has. */
static bool run_suite(const struct suite *s)
{
    bool enough = true;
    unsigned before = total.passed;
    (void)printf("%s\n", s->path);
    for (size_t i = 0; i < 2 && s->drafts[i] != NULL; i++) {
        enough = run_draft(s->path, s->drafts[i]) >= s->fewest_files && enough;
    }
    (void)printf("%u passed\n", total.passed - before);
    return enough && total.passed - before >= s->fewest_passed;
}

/* Of whole files; groups were complained of one by one. */
static void complain_of_exceptions(void)
{
    for (size_t i = 0; i < EXCEPTIONS; i++) {
        if (exceptions[i].group == NULL && excepted[i].passed > 0 &&
            excepted[i].failed == 0) {
            total.failed++;
            (void)printf("  FAILED %s passes; take it out of the exceptions\n",
                         exceptions[i].file);
        }
    }
}

/* How many of the packages are installed; *ok: and passed. */
static size_t run_packages(bool *ok)
{
    enum { COUNT = sizeof suites / sizeof suites[0] };
    size_t found = 0;
    struct stat st;
    for (size_t i = 0; i < COUNT; i++) {
        if (stat(suites[i].path, &st) != 0) {
            (void)fprintf(stderr,
                          "no JSON Schema test suite at %s (Debian package %s)\n",
                          suites[i].path, suites[i].package);
            continue;
        }
        found++;
        *ok = run_suite(&suites[i]) && *ok;
    }
    return found;
}

int main(void)
{
    enum { SKIP = 77, COUNT = sizeof suites / sizeof suites[0] };
    const char *suite = getenv("WH_SCHEMA_SUITE"), *ci = getenv("CI");
    bool ok = true, is_ci = ci != NULL && strcmp(ci, "true") == 0;
    if (suite != NULL) {
        ok = run_suite(
            &(struct suite){.path = suite, .drafts = {"draft7", "draft2020-12"}});
        ok = ok && total.passed > 0;
    } else {
        size_t found = run_packages(&ok);
        if (found == 0 && !is_ci) {
            return SKIP;
        }
        ok = ok && (found == COUNT || !is_ci);
    }
    complain_of_exceptions();
    (void)printf("%u passed, %u failed, %u skipped\n", total.passed, total.failed,
                 total.skipped);
    return ok && total.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.file: {"path": "/some/file"} -> {"sha256": "…", "bytes": n}. Reads the file in
 * blocks, so that a cancel is heard between two of them and memory stays small; says
 * how far it is for files over 8 MiB. A file that is missing, unreadable or a folder
 * fails for good.
 */
#include "common/client/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#define BLOCK_SIZE ((size_t)256 * 1024)
#define PROGRESS_SIZE ((long long)8 * 1024 * 1024)

typedef struct source {
    int fd;
    const char *path;
    long long size, done;
    int percent; /* last one reported */
} source;

/* A failure that names the path; the category follows from errno. */
static int fail_io(wh_task *t, const char *path, int sys)
{
    char message[512];
    const char *category = sys == ENOENT || sys == ENOTDIR  ? "not_found"
                           : sys == EACCES || sys == EPERM  ? "permission"
                           : sys == EISDIR || sys == EINVAL ? "invalid"
                           : sys == ENAMETOOLONG            ? "invalid"
                                                            : "unavailable";
    (void)snprintf(message, sizeof message, "%.400s: %s", path, strerror(sys));
    t->set_error(t, category, message, NULL);
    return strcmp(category, "unavailable") == 0 ? WH_TASK_RETRY : WH_TASK_FAIL;
}

static int fail_payload(wh_task *t, const char *what)
{
    char message[256];
    (void)snprintf(message, sizeof message,
                   "payload: %.160s; give {\"path\": \"/some/file\"}", what);
    t->set_error(t, "invalid", message, NULL);
    return WH_TASK_FAIL;
}

static void report(wh_task *t, source *s)
{
    if (s->size > PROGRESS_SIZE) {
        int percent = s->done >= s->size ? 100 : (int)(s->done * 100 / s->size);
        if (percent > s->percent) {
            s->percent = percent;
            t->progress(t, percent, s->path);
        }
    }
}

static int digest_blocks(wh_task *t, source *s, EVP_MD_CTX *md)
{
    static unsigned char block[BLOCK_SIZE]; /* handlers run one at a time */
    for (;;) {
        if (t->is_cancelled(t)) {
            t->set_error(t, "timeout", "stopped before the end of the file", NULL);
            return WH_TASK_RETRY;
        }
        ssize_t n = read(s->fd, block, sizeof block);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_io(t, s->path, errno);
        }
        if (n == 0) {
            return WH_TASK_OK;
        }
        if (EVP_DigestUpdate(md, block, (size_t)n) != 1) {
            t->set_error(t, "error", "SHA-256 failed", NULL);
            return WH_TASK_RETRY;
        }
        s->done += n;
        report(t, s);
    }
}

static int give_result(wh_task *t, const source *s, EVP_MD_CTX *md)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    char json[2 * EVP_MAX_MD_SIZE + 64];
    if (EVP_DigestFinal_ex(md, digest, &digest_len) != 1) {
        t->set_error(t, "error", "SHA-256 failed", NULL);
        return WH_TASK_RETRY;
    }
    for (unsigned i = 0; i < digest_len; i++) {
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    int n = snprintf(json, sizeof json, "{\"sha256\": \"%s\", \"bytes\": %lld}", hex,
                     s->done);
    if (n < 0 || t->set_result(t, json, (size_t)n) != 0) {
        t->set_error(t, "error", "out of memory", NULL);
        return WH_TASK_RETRY;
    }
    return WH_TASK_OK;
}

static int hash_path(wh_task *t, const char *path)
{
    struct stat st;
    source s = {.fd = -1, .path = path};
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int status = WH_TASK_RETRY;
    if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        t->set_error(t, "error", "SHA-256 is not available", NULL);
        goto done;
    }
    s.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s.fd < 0 || fstat(s.fd, &st) != 0) {
        status = fail_io(t, path, errno);
        goto done;
    }
    if (!S_ISREG(st.st_mode)) { /* a device or a pipe may never end */
        status = fail_io(t, path, S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
        goto done;
    }
    s.size = (long long)st.st_size;
    status = digest_blocks(t, &s, md);
    if (status == WH_TASK_OK) {
        status = give_result(t, &s, md);
    }
done:
    if (s.fd >= 0) {
        (void)close(s.fd);
    }
    EVP_MD_CTX_free(md);
    return status;
}

static int hash_file(wh_task *t, const void *payload, size_t payload_len)
{
    json_error_t error;
    json_t *root = json_loadb(payload, payload_len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        return fail_payload(t, error.text);
    }
    const char *path = json_string_value(json_object_get(root, "path"));
    int status = path == NULL || *path == '\0' ? fail_payload(t, "no path in it")
                                               : hash_path(t, path);
    json_decref(root);
    return status;
}

static const wh_handler handlers[] = {{"hash.file", hash_file}};

WH_PLUGIN("hash_file", "1.0", handlers)

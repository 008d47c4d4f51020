/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over a corpus without libFuzzer, so that every compiler and
 * every sanitizer replays it as an ordinary test. Arguments are files or folders
 * (a folder's files, not deeper); a folder that does not exist is an empty corpus.
 * The empty input and every single byte are always tried first, so a target
 * without a corpus is still a test.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replayed;

/* Takes a copy of exactly `size` bytes, so that a read past the end is caught. */
static int replay_bytes(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        (void)fprintf(stderr, "out of memory\n");
        return -1;
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    replayed++;
    return 0;
}

static int replay_file(const char *path, size_t size)
{
    int result = -1;
    uint8_t *data = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        (void)fprintf(stderr, "%s: cannot read %zu bytes\n", path, size);
        goto done;
    }
    (void)fprintf(stderr, "%s\n", path); /* names the culprit when the target aborts */
    result = replay_bytes(data, size);
done:
    free(data);
    (void)fclose(file);
    return result;
}

static int replay_folder(const char *folder)
{
    int result = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        (void)fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return -1;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL;
         entry = readdir(dir)) {
        char path[4096];
        struct stat st;
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (len < 0 || (size_t)len >= sizeof(path) || stat(path, &st) != 0) {
            (void)fprintf(stderr, "%s/%s: cannot look at it\n", folder, entry->d_name);
            result = -1;
        } else if (S_ISREG(st.st_mode)) {
            result |= replay_file(path, (size_t)st.st_size);
        }
    }
    (void)closedir(dir);
    return result;
}

static int replay_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT) {
            (void)fprintf(stderr, "%s: no corpus\n", path);
            return 0;
        }
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    return S_ISDIR(st.st_mode) ? replay_folder(path)
                               : replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    int result = replay_bytes((const uint8_t *)"", 0);
    for (int byte = 0; byte <= UINT8_MAX; byte++) {
        uint8_t input = (uint8_t)byte;
        result |= replay_bytes(&input, 1);
    }
    for (int i = 1; i < argc; i++) {
        result |= replay_path(argv[i]);
    }
    (void)printf("%zu inputs replayed\n", replayed);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

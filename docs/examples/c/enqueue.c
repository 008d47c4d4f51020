/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enqueues one job and waits for its end.
 *
 *     cc enqueue.c $(pkg-config --cflags --libs wherry) -o enqueue
 *     ./enqueue redis://localhost mail.send '{"to": "someone@example.org"}'
 *
 * Exit status: 0 the job completed, 1 it did not, 2 wrong usage, 69 Redis can't be reached,
 * 75 the queue is full for now.
 */
#include <stdio.h>
#include <string.h>
#include <wherry/wherry.h>

static int wait_for(wh_client *client, const char *id)
{
    wh_client_record *record = NULL;
    int err = wh_client_wait(client, NULL, id, 60000, &record);

    if (err != WHERRY_OK) {
        fprintf(stderr, "waiting: %s\n", wh_client_error(client));
        return 1;
    }
    printf("%s after %d failed attempts\n", record->status_name, record->attempts);
    if (record->error_message != NULL) {
        printf("%s: %s\n", record->error_category, record->error_message);
    }
    if (record->result != NULL) {
        fwrite(record->result, 1, record->result_len, stdout);
        putchar('\n');
    }
    err = record->status == WH_STATUS_COMPLETED ? 0 : 1;
    wh_client_record_free(record);
    return err;
}

int main(int argc, char **argv)
{
    char why[256] = "";
    wh_client *client = NULL;
    wh_client_options options = wh_client_options_make();
    wh_client_enqueued enqueued;

    if (argc != 4) {
        fprintf(stderr, "usage: enqueue URL TYPE PAYLOAD\n");
        return 2;
    }
    options.error = why;
    options.error_size = sizeof why;
    options.timeout_ms = 10000;
    if (wh_client_open(argv[1], &options, &client) != WHERRY_OK) {
        fprintf(stderr, "%s\n", why);
        return 69;
    }

    wh_client_job job = wh_client_job_make(argv[2], argv[3], strlen(argv[3]));
    job.priority = WH_PRIORITY(7);
    job.group = "example"; /* groups of one org take turns */
    int status = 1;
    int err = wh_client_enqueue(client, NULL, &job, &enqueued);
    if (err == WHERRY_EBACKPRESSURE) {
        /* A real producer would hold back for so long, or leave out what can be left out. */
        fprintf(stderr, "try again in %lld ms\n",
                (long long)wh_client_retry_after_ms(client));
        status = 75;
    } else if (err != WHERRY_OK) {
        fprintf(stderr, "enqueue: %s\n", wh_client_error(client));
    } else {
        printf("%s %s\n", enqueued.created ? "created" : "exists", enqueued.id);
        status = wait_for(client, enqueued.id);
    }
    wh_client_close(client);
    return status;
}

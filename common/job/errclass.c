/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One category for every way to fail. Called by the worker when an attempt ends and
 * by the command line. Words are compared without case and punctuation, without the
 * package in front ("java.net.", "requests.exceptions.") and without the ending
 * "Error" or "Exception". What is not known is WH_ERRCLASS_ERROR, which is retried:
 * a wrong "permanent" loses work, a wrong "retryable" costs some attempts.
 */
#include "common/job/errclass.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 48

static const struct {
    const char *name;
    bool is_retryable;
} classes[WH_ERRCLASS_COUNT] = {
    [WH_ERRCLASS_ERROR] = {"error", true},
    [WH_ERRCLASS_TIMEOUT] = {"timeout", true},
    [WH_ERRCLASS_CONNECTION] = {"connection", true},
    [WH_ERRCLASS_RATE_LIMITED] = {"rate_limited", true},
    [WH_ERRCLASS_UNAVAILABLE] = {"unavailable", true},
    [WH_ERRCLASS_CRASH] = {"crash", true},
    [WH_ERRCLASS_NOT_FOUND] = {"not_found", false},
    [WH_ERRCLASS_INVALID] = {"invalid", false},
    [WH_ERRCLASS_UNSUPPORTED] = {"unsupported", false},
    [WH_ERRCLASS_PERMISSION] = {"permission", false},
    [WH_ERRCLASS_OVERSIZE] = {"oversize", false},
    [WH_ERRCLASS_LOST_WORKER] = {"lost_worker", false},
    [WH_ERRCLASS_NO_HANDLER] = {"no_handler", false},
};

/* Words that mean a category, one list per category, each with spaces around every
 * word. Letters and digits only, as squeeze() leaves them. */
static const struct {
    wh_errclass category;
    const char *words;
} vocabulary[] = {
    {WH_ERRCLASS_TIMEOUT,
     " timeout timedout etimedout etime esockettimedout deadlineexceeded deadline "
     "operationtimedout "},
    {WH_ERRCLASS_CONNECTION,
     " connection econnrefused econnreset econnaborted epipe enotconn ehostunreach "
     "enetunreach ehostdown enetdown enetreset eaddrnotavail enotfound eaiagain "
     "eaifail eainoname connectionrefused connectionreset connectionaborted "
     "connectionclosed brokenpipe connect socket network unknownhost "
     "noroutetohost portunreachable unexpectedeof eproto ssl sslhandshake tls "
     "remoteprotocol dns gaierror gai "},
    {WH_ERRCLASS_RATE_LIMITED,
     " ratelimited ratelimit ratelimitexceeded toomanyrequests throttled throttling "
     "throttle slowdown resourceexhausted quotaexceeded requestlimitexceeded "},
    {WH_ERRCLASS_UNAVAILABLE,
     " unavailable serviceunavailable temporarilyunavailable badgateway eagain "
     "ewouldblock ebusy enospc edquot emfile enfile busy tempfail temporary "
     "temporaryfailure blockingio overloaded insufficientstorage tooearly "},
    {WH_ERRCLASS_CRASH,
     " crash crashed sigsegv sigkill sigabrt sigbus sigill sigfpe sigsys sigterm "
     "segfault segmentationfault killed aborted panic "},
    {WH_ERRCLASS_NOT_FOUND,
     " notfound filenotfound enoent enxio esrch enodev nosuchfile nosuchkey "
     "nosuchbucket doesnotexist missing gone recordnotfound resourcenotfound "
     "objectdoesnotexist nosuchelement norows errnorows noresultfound "
     "modeldoesnotexist entitynotfound "},
    {WH_ERRCLASS_INVALID,
     " invalid einval value validation invalidargument illegalargument badrequest "
     "unprocessableentity unprocessablecontent parse parser jsondecode "
     "unicodedecode unicodeencode unicode decode syntax schema malformed edom "
     "erange eilseq ebadmsg outofrange dataerr baddata argument numberformat "
     "invalidformat failedprecondition "},
    {WH_ERRCLASS_UNSUPPORTED,
     " unsupported notimplemented enosys eopnotsupp enotsup eprotonosupport "
     "unsupportedoperation unsupportedmediatype methodnotallowed notacceptable "
     "unimplemented notsupported "},
    {WH_ERRCLASS_PERMISSION,
     " permission permissiondenied eacces eperm erofs forbidden unauthorized "
     "unauthorised unauthenticated accessdenied authentication authorization "
     "notauthorized security "},
    {WH_ERRCLASS_OVERSIZE,
     " oversize oversized toobig toolarge e2big efbig emsgsize payloadtoolarge "
     "contenttoolarge requestentitytoolarge entitytoolarge uritoolong "
     "messagetoolarge sizelimitexceeded "},
};

const char *wh_errclass_name(wh_errclass c)
{
    unsigned index = (unsigned)c;
    return index < WH_ERRCLASS_COUNT ? classes[index].name : "error";
}

bool wh_errclass_is_retryable(wh_errclass c)
{
    unsigned index = (unsigned)c;
    return index >= WH_ERRCLASS_COUNT || classes[index].is_retryable;
}

/* Lower-case letters and digits of the last part of a qualified name, between two
 * spaces, ready to be looked for in a list; its length without them, 0 if too long. */
static size_t squeeze(const char *word, size_t n, char out[WORD_MAX + 3])
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];
        if (c >= 'A' && c <= 'Z') {
            c = (unsigned char)(c + ('a' - 'A'));
        }
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            if (len == WORD_MAX) {
                return 0;
            }
            out[1 + len++] = (char)c;
        } else if (strchr(".:/\\$", c) != NULL && c != '\0' && i + 1 < n) {
            len = 0; /* what was there is a package or a class */
        }
    }
    out[0] = ' ';
    out[len + 1] = ' ';
    out[len + 2] = '\0';
    return len;
}

static wh_errclass look_up(const char *spaced)
{
    for (size_t i = 0; i < sizeof vocabulary / sizeof vocabulary[0]; i++) {
        if (strstr(vocabulary[i].words, spaced) != NULL) {
            return vocabulary[i].category;
        }
    }
    return WH_ERRCLASS_ERROR;
}

/* Drops an ending that says nothing; false if there is none. */
static bool drop_ending(char spaced[WORD_MAX + 3], size_t *n)
{
    static const char *const endings[] = {"error", "exception", "err", "failure"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t len = strlen(endings[i]);
        if (*n > len && memcmp(spaced + 1 + *n - len, endings[i], len) == 0) {
            *n -= len;
            spaced[*n + 1] = ' ';
            spaced[*n + 2] = '\0';
            return true;
        }
    }
    return false;
}

wh_errclass wh_errclass_of_word(const char *word, size_t n)
{
    char spaced[WORD_MAX + 3];
    if (word == NULL || n == 0) {
        return WH_ERRCLASS_ERROR;
    }
    for (unsigned i = 0; i < WH_ERRCLASS_COUNT; i++) {
        if (strlen(classes[i].name) == n && memcmp(classes[i].name, word, n) == 0) {
            return (wh_errclass)i;
        }
    }
    size_t len = squeeze(word, n, spaced);
    if (len == 0) {
        return WH_ERRCLASS_ERROR;
    }
    if (len == 3 && strspn(spaced + 1, "0123456789") == 3) {
        return wh_errclass_of_http(atoi(spaced + 1));
    }
    wh_errclass found = look_up(spaced);
    while (found == WH_ERRCLASS_ERROR && drop_ending(spaced, &len)) {
        found = look_up(spaced);
    }
    if (found == WH_ERRCLASS_ERROR && strstr(spaced, "timeout") != NULL) {
        found = WH_ERRCLASS_TIMEOUT; /* each library has a timeout of its own name */
    }
    return found;
}

wh_errclass wh_errclass_of_exit(int status)
{
    switch (status) {
    case 64: /* EX_USAGE */
    case 65: /* EX_DATAERR */
        return WH_ERRCLASS_INVALID;
    case 66: /* EX_NOINPUT */
    case 67: /* EX_NOUSER */
        return WH_ERRCLASS_NOT_FOUND;
    case 68: /* EX_NOHOST */
        return WH_ERRCLASS_CONNECTION;
    case 69: /* EX_UNAVAILABLE */
    case 75: /* EX_TEMPFAIL */
        return WH_ERRCLASS_UNAVAILABLE;
    case 77: /* EX_NOPERM */
        return WH_ERRCLASS_PERMISSION;
    case 124: /* timeout(1) */
        return WH_ERRCLASS_TIMEOUT;
    default: /* 128 + n is how a shell tells of a child ended by signal n */
        return status > 128 && status < 128 + 65 ? WH_ERRCLASS_CRASH
                                                 : WH_ERRCLASS_ERROR;
    }
}

wh_errclass wh_errclass_of_http(int status)
{
    static const struct {
        int16_t status;
        wh_errclass category;
    } known[] = {
        {401, WH_ERRCLASS_PERMISSION},  {403, WH_ERRCLASS_PERMISSION},
        {404, WH_ERRCLASS_NOT_FOUND},   {405, WH_ERRCLASS_UNSUPPORTED},
        {406, WH_ERRCLASS_UNSUPPORTED}, {407, WH_ERRCLASS_PERMISSION},
        {408, WH_ERRCLASS_TIMEOUT},     {409, WH_ERRCLASS_ERROR},
        {410, WH_ERRCLASS_NOT_FOUND},   {413, WH_ERRCLASS_OVERSIZE},
        {414, WH_ERRCLASS_OVERSIZE},    {415, WH_ERRCLASS_UNSUPPORTED},
        {421, WH_ERRCLASS_UNAVAILABLE}, {423, WH_ERRCLASS_UNAVAILABLE},
        {425, WH_ERRCLASS_UNAVAILABLE}, {429, WH_ERRCLASS_RATE_LIMITED},
        {431, WH_ERRCLASS_OVERSIZE},    {451, WH_ERRCLASS_PERMISSION},
        {501, WH_ERRCLASS_UNSUPPORTED}, {502, WH_ERRCLASS_UNAVAILABLE},
        {503, WH_ERRCLASS_UNAVAILABLE}, {504, WH_ERRCLASS_TIMEOUT},
        {505, WH_ERRCLASS_UNSUPPORTED}, {507, WH_ERRCLASS_UNAVAILABLE},
        {529, WH_ERRCLASS_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].status == status) {
            return known[i].category;
        }
    }
    if (status <= 0) {
        return WH_ERRCLASS_CONNECTION; /* no answer at all */
    }
    return status >= 400 && status < 500 ? WH_ERRCLASS_INVALID : WH_ERRCLASS_ERROR;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS sessions towards Redis. The context is made anew for each attempt, so that
 * certificates rotated on disk are picked up by a reconnect. Chain and host name are
 * always verified; there is no switch to turn that off.
 */
#include "common/io/conn_internal.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* An encrypted key is an error: nobody is there to type its password. */
static int no_password(char *buf, int size, int for_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)for_writing;
    (void)arg;
    return -1;
}

static wh_err refuse(wh_errbuf *eb, wh_err code, const char *what, const char *file)
{
    char reason[160];

    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return wh_err_set(eb, code, "TLS: %s %s: %s", what, file, reason);
}

static wh_err load_files(SSL_CTX *ctx, const wh_conn_options *o, wh_errbuf *eb)
{
    const char *key = o->key_file != NULL ? o->key_file : o->cert_file;

    if (o->ca_file != NULL ? SSL_CTX_load_verify_file(ctx, o->ca_file) != 1
                           : SSL_CTX_set_default_verify_paths(ctx) != 1) {
        return refuse(eb, WH_ECONFIG, "can't load CA certificates from",
                      o->ca_file != NULL ? o->ca_file : "the system");
    }
    if (o->cert_file == NULL) {
        return o->key_file == NULL
                   ? WH_OK
                   : wh_err_set(eb, WH_ECONFIG, "TLS: a key needs a certificate too");
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1) {
        return refuse(eb, WH_ECONFIG, "can't load the certificate", o->cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        return refuse(eb, WH_ECONFIG, "can't use the key", key);
    }
    return WH_OK;
}

static SSL_CTX *make_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL) {
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* Names go into SNI and are compared with the certificate; addresses only the latter. */
static bool expect_host(SSL *ssl, const char *host)
{
    struct in6_addr any;
    char name[256]; /* OpenSSL's macro casts const away */

    if (inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    (void)snprintf(name, sizeof name, "%s", host);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

wh_err wh_conn_tls_new(const wh_conn_options *o, struct ssl_st **out, wh_errbuf *eb)
{
    SSL *ssl = NULL;
    SSL_CTX *ctx = make_ctx();

    *out = NULL;
    ERR_clear_error();
    if (ctx == NULL) {
        return wh_err_set(eb, WH_ENOMEM, "TLS: can't make a context");
    }
    wh_err err = load_files(ctx, o, eb);
    if (err != WH_OK) {
        SSL_CTX_free(ctx);
        return err;
    }
    ssl = SSL_new(ctx);
    SSL_CTX_free(ctx); /* the session holds it */
    if (ssl == NULL || !expect_host(ssl, o->endpoint.host)) {
        SSL_free(ssl);
        return wh_err_set(eb, WH_ENOMEM, "TLS: can't make a session");
    }
    *out = ssl;
    return WH_OK;
}

void wh_conn_tls_free(struct ssl_st *ssl)
{
    SSL_free(ssl);
}

void wh_conn_tls_explain(struct ssl_st *ssl, unsigned long error, char *out,
                         size_t size)
{
    long verdict = SSL_get_verify_result(ssl);
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);

    if (verdict != X509_V_OK) {
        (void)snprintf(out, size, "the certificate of Redis is refused: %s",
                       X509_verify_cert_error_string(verdict));
    } else {
        bool is_plain =
            reason == NULL || strstr(reason, "wrong version number") != NULL;

        (void)snprintf(out, size, "TLS: %s%s",
                       reason != NULL ? reason : "the peer broke off the handshake",
                       is_plain ? WH_CONN_NO_TLS : "");
    }
}

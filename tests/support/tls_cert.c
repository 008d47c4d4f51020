/* SPDX-License-Identifier: Apache-2.0 */
/* P-256 keys, so that a certificate takes no noticeable time. */
#include "tests/support/tls_cert.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "tls_cert: %s failed\n", what);
        abort();
    }
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(ext != NULL && X509_add_ext(cert, ext, -1) == 1, value);
    X509_EXTENSION_free(ext);
}

static FILE *open_file(const char *dir, const char *name, const char *suffix)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s.%s", dir, name, suffix);
    FILE *out = fopen(path, "w");
    must(out != NULL, path);
    return out;
}

void wh_tls_cert_write(const char *dir, const char *name, const char *alt_names,
                       int days)
{
    const long day = 24L * 3600;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    must(key != NULL && cert != NULL, "key");
    must(X509_set_version(cert, 2) == 1, "version");
    must(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1, "serial");
    must(X509_gmtime_adj(X509_getm_notBefore(cert), -30 * day) != NULL, "begin");
    must(X509_gmtime_adj(X509_getm_notAfter(cert), days * day) != NULL, "end");
    must(X509_set_pubkey(cert, key) == 1, "public key");
    X509_NAME *subject = X509_get_subject_name(cert);
    must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                    (const unsigned char *)name, -1, -1, 0) == 1,
         "subject");
    must(X509_set_issuer_name(cert, subject) == 1, "issuer");
    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(cert, NID_subject_alt_name, alt_names);
    must(X509_sign(cert, key, EVP_sha256()) > 0, "signature");

    FILE *out = open_file(dir, name, "crt");
    must(PEM_write_X509(out, cert) == 1 && fclose(out) == 0, "certificate file");
    out = open_file(dir, name, "key");
    must(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 &&
             fclose(out) == 0,
         "key file");
    X509_free(cert);
    EVP_PKEY_free(key);
}

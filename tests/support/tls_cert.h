/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Self-signed certificates for tests, made on the spot: the certificate is its own CA.
 */
#ifndef WH_TESTS_SUPPORT_TLS_CERT_H
#define WH_TESTS_SUPPORT_TLS_CERT_H

/* Writes dir/name.crt and dir/name.key. alt_names as in OpenSSL: "DNS:localhost,IP:::1".
 * The certificate is valid until `days` from now; negative: it has expired. Aborts the
 * test when anything fails. */
void wh_tls_cert_write(const char *dir, const char *name, const char *alt_names,
                       int days);

#endif

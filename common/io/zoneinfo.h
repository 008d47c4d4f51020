/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's time zone data: the file of an IANA zone by its name, from the folder in
 * TZDIR, else /usr/share/zoneinfo (Debian package tzdata). Reads bytes only;
 * common/job/zone understands them. "UTC" is always there, whatever is installed.
 */
#ifndef WH_COMMON_IO_ZONEINFO_H
#define WH_COMMON_IO_ZONEINFO_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define WH_ZONEINFO_NAME_MAX 64

/* Adds the file's bytes to *out. WH_EINVAL: no name of a zone (it can't lead out of the
 * folder); WH_ENOTFOUND: no such zone; WH_EIO: no data on this system. eb says what would
 * be right. */
wh_err wh_zoneinfo_read(const char *name, wh_buf *out, wh_errbuf *eb) WH_MUSTCHECK;

#endif

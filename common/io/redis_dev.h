/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where `wherry dev` keeps its Redis when it is not told: the command line, the workers
 * and the scheduler find it there when nobody says where Redis is.
 */
#ifndef WH_COMMON_IO_REDIS_DEV_H
#define WH_COMMON_IO_REDIS_DEV_H

#define WH_REDIS_DEV_SOCKET "redis.sock" /* in that folder */
#define WH_REDIS_DEFAULT_URL "redis://127.0.0.1:6379"

/* $XDG_DATA_HOME/wherry, or ~/.local/share/wherry; owned. NULL: neither is known. */
char *wh_redis_dev_dir(void);
/* Its address, owned; NULL: no socket is there. */
char *wh_redis_dev_url(void);

#endif

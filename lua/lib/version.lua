-- SPDX-License-Identifier: Apache-2.0
-- What a loader asks before it touches anything. REVISION grows with every release of this
-- library; HASH is the content hash that the build puts in.
local MAJOR, REVISION, HASH = 1, 7, '@CONTENT_HASH@'

-- SPDX-License-Identifier: Apache-2.0
-- wh1_version: [major, revision, hash]. No key. O(1).
args.register('wh1_version', function()
    return { MAJOR, REVISION, HASH }
end, { 'no-writes' })

-- SPDX-License-Identifier: Apache-2.0
-- P:levels: where an org has jobs besides its list of level 5. Marks: a digit is the list of that
-- level; a letter a to j says that level 0 to 9 has groups, A to J that it has jobs by deadline;
-- then types set aside, each behind a comma; `*` stands for those beyond the first 64. A mark may
-- outlive what it stands for until the next visit; what exists always has its mark.
local levels = { default = '5', most = 64, rest = '*' }
local views_of = cache.new(200)

local function parse(text)
    local marks, words = string.match(text, '^([^,]*),?(.*)$')
    local v = { order = {}, asides = {}, is_aside = {}, has_groups = string.find(marks, '[a-j]') ~= nil }
    for level = 9, 0, -1 do
        local digit = string.char(48 + level)
        if string.find(marks, string.char(65 + level), 1, true) then
            v.order[#v.order + 1] = { level = digit, kind = 'soonest', mark = string.char(65 + level) }
        end
        if string.find(marks, string.char(97 + level), 1, true) then
            v.order[#v.order + 1] = { level = digit, kind = 'groups', mark = string.char(97 + level) }
        elseif digit == levels.default or string.find(marks, digit, 1, true) then
            v.order[#v.order + 1] = { level = digit, kind = 'list', mark = digit }
        end
    end
    for word in string.gmatch(words, '[^,]+') do
        v.asides[#v.asides + 1], v.is_aside[word] = word, true
    end
    return v
end

-- What a value of P:levels says: order (places in the order in which they run), asides (array), is_aside (set),
-- has_groups. Read only.
function levels.view(text)
    text = text or ''
    return cache.get(views_of, text) or cache.put(views_of, text, parse(text))
end

function levels.of(k, org)
    return levels.view(redis.call('HGET', k.levels, org) or nil)
end

-- Views of many orgs, nil when all have level 5 only.
function levels.many(k, orgs)
    if redis.call('EXISTS', k.levels) == 0 then
        return nil
    end
    local values = redis.call('HMGET', k.levels, unpack(orgs))
    for i = 1, #orgs do
        values[i] = levels.view(values[i] or nil)
    end
    return values
end

local function rewrite(k, org, change)
    local text = redis.call('HGET', k.levels, org) or ''
    local marks, words = string.match(text, '^([^,]*)(.*)$')
    marks, words = change(marks, words)
    if marks .. words == text then
        return
    end
    if marks .. words == '' then
        redis.call('HDEL', k.levels, org)
    else
        redis.call('HSET', k.levels, org, marks .. words)
    end
end

function levels.add(k, org, mark)
    if mark == levels.default then
        return
    end
    rewrite(k, org, function(marks, words)
        if string.find(marks, mark, 1, true) then
            return marks, words
        end
        local list = { string.byte(marks .. mark, 1, -1) }
        table.sort(list, function(a, b)
            return a > b
        end)
        return string.char(unpack(list)), words
    end)
end

function levels.drop(k, org, mark)
    if mark == levels.default then
        return
    end
    rewrite(k, org, function(marks, words)
        return (string.gsub(marks, mark, '')), words
    end)
end

local function has_word(words, word)
    return string.find(words .. ',', ',' .. word .. ',', 1, true) ~= nil
end

-- Returns the words under which jobs of these types stand aside: {type = the type, or `*` when the org has too many of
-- them}, and the set of those that are new: nothing stands there yet.
function levels.add_asides(k, org, kinds)
    local word_of, is_new = {}, {}
    rewrite(k, org, function(marks, words)
        local _, n = string.gsub(words, ',', '')
        for _, kind in ipairs(kinds) do
            local word = (has_word(words, kind) or n < levels.most) and kind or levels.rest
            if not has_word(words, word) then
                words, n, is_new[word] = words .. ',' .. word, n + 1, true
            end
            word_of[kind] = word
        end
        return marks, words
    end)
    return word_of, is_new
end

function levels.drop_aside(k, org, kind)
    rewrite(k, org, function(marks, words)
        local from, to = string.find(words .. ',', ',' .. kind .. ',', 1, true)
        if not from then
            return marks, words
        end
        return marks, string.sub(words, 1, from - 1) .. string.sub(words, to)
    end)
end

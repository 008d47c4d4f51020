-- SPDX-License-Identifier: Apache-2.0
-- Jobs set aside because their type may not run now: per org and type (`kind` here), in the order in which they
-- run. They are not looked at again until the type admits one; those of an org's types beyond the first 64 (kind
-- `*`), some of them four times a second.
local aside = { some = 100, rest_ms = 250, lately_ms = 5000 }

function aside.key(k, org, kind)
    return k.aside_ .. org .. ':' .. kind
end

-- Higher levels first; by deadline, where the partition is in that order; else who came first. Exact: below 2^53.
-- again: when it came again, as aside.again says it: a retried job goes to the end, or it would come first each time.
function aside.score(rec, level, options, again)
    local enqueued = record.enqueued_at(rec)
    if options and options.eo then
        return (9 - level) * 1e14 + enqueued + (options.xp or LIMIT.delay)
    end
    return (9 - level) * 1e14 + 5e13 + (again or enqueued)
end

-- When a job of this meta (nil: none) came again after its last attempt; false: it is new.
function aside.again(m)
    return m and m[M.next_retry_at] or false
end

-- The key where a job of this level and these options stands aside, and its group if it has one there.
function aside.place(k, org, word, level, options)
    if options and options.g and word ~= levels.rest then
        return hold.ids(k, org, word, level, options.g), options.g
    end
    return aside.key(k, org, word)
end

local function add_to(key, add)
    local reply = redis.pcall(unpack(add))
    if type(reply) == 'table' and reply.err then
        redis.call('DEL', key) -- not ours: what it held was never a job of the org
        redis.call(unpack(add))
    end
end

-- Where the jobs of a group stand, in a table of groups that begin to wait.
local function note_group(enter, word, level, name)
    local at = level .. word
    enter[at] = enter[at] or { word = word, level = level, names = {} }
    table.insert(enter[at].names, name)
end

-- put: {type, …} of one org, and by type {id, record, aside.again, …}. The org waits for these types then, with others
-- that do. joins: turns.join_all. Returns what it cost: jobs and commands.
function aside.put(k, org, put, joins)
    local word_of, is_new = levels.add_asides(k, org, put)
    local adds, enter, work = {}, {}, 2 + 2 * #put
    for _, kind in ipairs(put) do
        local word, flat = word_of[kind], put[kind]
        for i = 1, #flat, 3 do
            local head = record.decode(flat[i + 1])
            local level = string.format('%d', head[3])
            local key, name = aside.place(k, org, word, level, head[4])
            local add = adds[key]
            if not add then
                add = { 'ZADD', key }
                adds[key] = add
                if name then
                    note_group(enter, word, level, name)
                end
            end
            add[#add + 1] = string.format('%.0f', aside.score(flat[i + 1], head[3], head[4], flat[i + 2]))
            add[#add + 1] = flat[i]
        end
        turns.note(joins, kind, word, org)
        work = work + #flat / 3
    end
    for key, add in pairs(adds) do
        add_to(key, add)
        work = work + 1
    end
    for _, g in pairs(enter) do
        hold.enter(k, org, g.word, g.level, g.names, 0, is_new[g.word])
        work = work + 3
    end
    return work
end

-- Is it time to look at some of those that stand under `*`? left: for so many orgs the call has time; not before
-- others that were looked at earlier, or came in vain, lately.
function aside.may_look(k, org, now, left)
    local key = k.turns_ .. levels.rest
    local last = redis.pcall('ZSCORE', key, org)
    if type(last) == 'table' then
        redis.call('DEL', key) -- not ours
        last = false
    end
    local since = last and tonumber(last) or now - aside.rest_ms
    if since + aside.rest_ms > now then
        return false
    end
    local bound = '(%.0f'
    local from, to = string.format(bound, now - aside.lately_ms), string.format(bound, since)
    local may = left > 0 and redis.call('ZCOUNT', key, from, to) < left
    redis.call('ZADD', key, string.format('%.0f', may and now or since), org)
    redis.call('PEXPIRE', key, 3600000)
    return may
end

-- Takes up to n ids of at least this level (nil: of any), which it appends to st.ids with their source; returns how
-- many. Beside groups the jobs without one are a member of the ring of those that wait, also when they wait alone: what
-- they get counts among the groups.
function aside.take(k, org, kind, n, st, source, level)
    local key, ring, s = aside.key(k, org, kind), hold.key(k, org, kind), source.share or source
    local count
    if redis.call('EXISTS', ring) == 1 or (st.x and s.view.has_groups) then
        count = hold.take(k, org, kind, n, st, source, level)
    else
        count = place.pop_aside(key, hold.up_to(level), n, st, source)
    end
    if count < n then
        if redis.call('EXISTS', key, ring) == 0 then -- also where the org has enough else: others wait for its turn
            levels.drop_aside(k, org, kind)
            turns.leave(k, st.now, kind, org)
            st.vacant[kind] = true
        elseif not level then
            s.again = true -- there were more levels and groups than one look takes
        end
    end
    return count
end

-- SPDX-License-Identifier: Apache-2.0
-- Jobs on their last chance: the next loss of their worker makes them dead. One of them may be what its workers die
-- of, and would take the others with it: a worker holds one at a time, and the others that it meets wait for a
-- moment (delayed; nothing is used up), for it or for another worker. st: the state of the claim call (claim.lua).
local chance = { wait = 100, apart = 25, wait_max = 2000 }

function chance.is_one(m)
    return m and m[M.recoveries] >= LIMIT.poison - 1 or false
end

-- Does the worker hold one, of this call or before it?
local function is_held(k, st)
    if st.has_last == nil then
        st.has_last = false
        for _, value in ipairs(redis.call('HVALS', k.run_ .. st.worker)) do
            st.has_last = st.has_last or tally.parse(value).is_last
        end
    end
    return st.has_last
end

-- Must this one wait, which was popped? Many come one after another, so that they are not looked at all the time, and
-- each is one of those that a call sets aside at most.
function chance.must_wait(k, st, raw)
    if not is_held(k, st) then
        return false
    end
    st.later, st.work = st.later or {}, st.work + 1
    st.later[#st.later + 1] = st.now + math.min(chance.wait + chance.apart * #st.later / 2, chance.wait_max)
    st.later[#st.later + 1] = raw
    return true
end

-- At the end of the call.
function chance.settle(k, st)
    local later = st.later or {}
    for from = 1, #later, 2000 do
        delay.add_all(k, { unpack(later, from, math.min(from + 1999, #later)) }, later[from])
    end
end

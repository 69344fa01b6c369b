-- KEYS: token, index. ARGV: prefix, now, epoch, member, score, keep, most, policy, fields and values of the token.
local token, index = KEYS[1], KEYS[2]
local now, epoch, member, score, keep, most, policy = unpack(ARGV, 2, 8)

-- Asked once more, since the answer was lost on its way.
if redis.call('EXISTS', token) == 1 then
    return {1, 0}
end

-- A server that is full refuses the first write that needs room, and none after another write: so this one is the first.
local serial = redis.call('INCR', prefix .. ':serial')
forget_expired(index, now)
local ended = 0
if most ~= '' then
    local live = {}
    for _, other in ipairs(redis.call('ZRANGE', index, 0, -1)) do
        local held = redis.call('HMGET', token_key(other), 'epoch', 'created', 'serial')
        if held[1] == epoch then
            table.insert(live, {member = other, created = tonumber(held[2]), serial = tonumber(held[3])})
        elseif is_dead(held[1], epoch) then
            forget(index, other)
        end
    end
    ended = math.max(#live + 1 - tonumber(most), 0)
    if ended > 0 and (policy == 'refuse' or tonumber(most) == 0) then
        return {0, 0}
    end
    table.sort(live, function(a, b)
        if a.created == b.created then
            return a.serial < b.serial
        end
        return a.created < b.created
    end)
    for i = 1, ended do
        forget(index, live[i].member)
    end
end

redis.call('HSET', token, 'serial', serial, unpack(ARGV, 9))
if keep ~= '' then
    redis.call('PEXPIRE', token, keep)
end
enter(index, member, score, keep)
return {1, ended}

-- KEYS: counter, mark and counter of a known client for each charge; the first three times where no client can be known.
-- ARGV: prefix, now, grace; interval, window and whether a client can be known for each charge.
--
-- A counter is a hash: when it is empty again, and until when a refusal is old news.
local now, grace = tonumber(ARGV[2]), tonumber(ARGV[3])
local charges = #KEYS / 3

local known = 0
for i = 1, charges do
    if ARGV[i * 3 + 3] == '1' then
        local mark = redis.call('GET', KEYS[i * 3 - 1])
        if mark and tonumber(mark) > now then
            known = 1
        end
    end
end

local function whole(number)
    return string.format('%.0f', number)
end

local taken = {}
local worst, wait = 0, -1
for i = 1, charges do
    local interval, window = tonumber(ARGV[i * 3 + 1]), tonumber(ARGV[i * 3 + 2])
    local counter = KEYS[i * 3 - 2]
    if known == 1 and ARGV[i * 3 + 3] == '1' then
        counter = KEYS[i * 3]
    end
    local held = redis.call('HMGET', counter, 'empty_at', 'told_until')
    local told = tonumber(held[2]) or 0
    local next = math.min(math.max(tonumber(held[1]) or now, now), now + window) + interval
    if next - now > window and next - now - window > wait then
        worst, wait = i, next - now - window
    end
    taken[i] = {counter = counter, empty_at = next, told = told, window = window}
end

if worst > 0 then
    local full = taken[worst]
    if full.told > now then
        return {0, worst - 1, wait, 0}
    end
    redis.call('HSET', full.counter, 'told_until', whole(now + full.window))
    redis.call('PEXPIRE', full.counter, whole(full.window + grace))
    return {0, worst - 1, wait, 1}
end
for _, one in ipairs(taken) do
    redis.call('HSET', one.counter, 'empty_at', whole(one.empty_at))
    redis.call('PEXPIRE', one.counter, whole(math.max(one.empty_at, one.told) - now + grace))
end
return {1, known, 0, 0}

-- KEYS: a counter or a mark for each change. ARGV: prefix, now, grace, longest; what happens and a number for each change.
local now, grace, longest = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
for i, key in ipairs(KEYS) do
    local what, number = ARGV[i * 2 + 3], tonumber(ARGV[i * 2 + 4])
    if what == 'clear' then
        redis.call('DEL', key)
    elseif what == 'mark' then
        local keep = math.min(math.max(number - now, 0) + grace, longest)
        redis.call('SET', key, string.format('%.0f', number), 'PX', string.format('%.0f', keep))
    elseif redis.call('HEXISTS', key, 'empty_at') == 1 then
        redis.call('HINCRBY', key, 'empty_at', string.format('%.0f', -number))
    end
end
return 1

-- KEYS: token. ARGV: prefix, backend, user, old epoch, new epoch, now.
local held = redis.call('HMGET', KEYS[1], 'backend', 'user', 'epoch', 'expires')
local over = held[4] and tonumber(held[4]) <= tonumber(ARGV[6])
if held[1] ~= ARGV[2] or held[2] ~= ARGV[3] or held[3] ~= ARGV[4] or over then
    return 0
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[5])
return 1

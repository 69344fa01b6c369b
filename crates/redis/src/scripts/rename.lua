-- KEYS: index. ARGV: prefix, id, epoch, now, and the name, if there is to be one.
local member = find(KEYS[1], ARGV[2], ARGV[3], ARGV[4])
if not member then
    return 0
end
if ARGV[5] then
    redis.call('HSET', token_key(member), 'name', ARGV[5])
else
    redis.call('HDEL', token_key(member), 'name')
end
return 1

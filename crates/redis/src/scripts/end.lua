-- KEYS: token. ARGV: prefix, digest, backend.
local held = redis.call('HMGET', KEYS[1], 'backend', 'user', 'id')
if held[1] ~= ARGV[3] then
    return 0
end
return forget(index_key(held[1], held[2]), held[3] .. ARGV[2])

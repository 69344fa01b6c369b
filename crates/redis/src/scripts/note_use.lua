-- KEYS: token. ARGV: prefix, digest, seen, and where the end moves: expires, score, keep.
local token, digest, seen, expires, score, keep = KEYS[1], unpack(ARGV, 2)
local held = redis.call('HMGET', token, 'backend', 'user', 'id', 'seen', 'expires')
local backend, user, id, seen_before, ends = unpack(held)
if not backend or (ends and tonumber(ends) <= tonumber(seen)) then
    return 0
end
if not seen_before or tonumber(seen_before) < tonumber(seen) then
    redis.call('HSET', token, 'seen', seen)
end
if expires and ends and tonumber(ends) < tonumber(expires) then
    redis.call('HSET', token, 'expires', expires)
    redis.call('PEXPIRE', token, keep)
    enter(index_key(backend, user), id .. digest, score, keep)
end
return 1

-- KEYS: a key of no other use. ARGV: prefix.
redis.call('SET', KEYS[1], '1', 'PX', '1000')
return redis.call('DEL', KEYS[1])

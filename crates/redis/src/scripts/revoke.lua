-- KEYS: mark. ARGV: prefix, until, grace, longest. A server whose clock is ahead keeps the mark for the grace at least.
local time = redis.call('TIME')
local left = tonumber(ARGV[2]) - (tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local keep = math.min(math.max(left, 0) + tonumber(ARGV[3]), tonumber(ARGV[4]))
redis.call('SET', KEYS[1], ARGV[2], 'PX', string.format('%.0f', keep))
return 1

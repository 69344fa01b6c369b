-- What all scripts share. Keys begin with the prefix, ARGV[1]; times are Unix milliseconds by the clock of the caller.
--
-- A token is a hash. The tokens of a user and a backend are a sorted set, the index: each member is the id of a token and
-- its digest, and its score is when the token ends.
local prefix = ARGV[1]
local ID_CHARS = 22

local function index_key(backend, user)
    return prefix .. ':user:' .. backend .. ':' .. user
end

local function token_key(member)
    return prefix .. ':token:' .. string.sub(member, ID_CHARS + 1)
end

local function forget(index, member)
    redis.call('ZREM', index, member)
    return redis.call('DEL', token_key(member))
end

local function forget_expired(index, now)
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
end

-- Epochs only rise, so a token of an earlier one is dead for good.
local function is_dead(token_epoch, epoch)
    return not token_epoch or tonumber(token_epoch) < tonumber(epoch)
end

-- An index is kept as long as the last of its tokens.
local function enter(index, member, score, keep)
    local kept = redis.call('PTTL', index)
    redis.call('ZADD', index, score, member)
    if keep == '' then
        redis.call('PERSIST', index)
    elseif kept == -2 or (kept >= 0 and kept < tonumber(keep)) then
        redis.call('PEXPIRE', index, keep)
    end
end

local function find(index, id, epoch, now)
    forget_expired(index, now)
    for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
        if string.sub(member, 1, ID_CHARS) == id then
            local live = redis.call('HGET', token_key(member), 'epoch') == epoch
            return live and member
        end
    end
    return false
end

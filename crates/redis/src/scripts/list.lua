-- KEYS: index. ARGV: prefix, epoch, now, most, fields to tell.
local index, epoch, now, most = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local found, skipped = {}, 0

forget_expired(index, now)
while #found < most do
    local members = redis.call('ZREVRANGE', index, skipped, skipped + most - 1)
    if #members == 0 then
        break
    end
    for _, member in ipairs(members) do
        local held = redis.call('HMGET', token_key(member), 'epoch', unpack(ARGV, 5))
        local token_epoch = table.remove(held, 1)
        if is_dead(token_epoch, epoch) then
            forget(index, member)
        else
            skipped = skipped + 1
            if token_epoch == epoch and #found < most then
                table.insert(found, held)
            end
        end
    end
end
return found

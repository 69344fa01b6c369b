-- KEYS: index. ARGV: prefix, id, epoch, now.
local member = find(KEYS[1], ARGV[2], ARGV[3], ARGV[4])
if not member then
    return 0
end
return forget(KEYS[1], member)

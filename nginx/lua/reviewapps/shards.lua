-- Which prefixes of the hosts to watch, so that one change never moves everything. Pure.
-- The keys in Consul keep their plain form. A shard is a prefix that hosts have, watched alone; no shard
-- is the beginning of another. Where a shard is too big it falls apart at the first place where its
-- names differ, so names that begin alike (feature-…) shard as well as others. A name that no shard
-- covers is found by rest.lua, which then asks here where it belongs.
local shards = {}

-- Says whether a name may be the beginning of a path: whatever else stands in Consul is no host anyway.
function shards.is_watchable(name)
    return name:find("^[a-z0-9][a-z0-9.-]*$") ~= nil
end

-- How long the common beginning of two texts is.
local function common_length(one, other)
    local length = math.min(#one, #other)
    while one:sub(1, length) ~= other:sub(1, length) do
        length = length - 1
    end
    return length
end

-- What a shard of these names (a list) falls apart into: {prefix -> names}, and their number. Only one
-- when it cannot: a name that begins all the others can only be watched together with them.
local function parts_of(shard, names)
    local common = names[1] or shard
    for _, name in ipairs(names) do
        common = common:sub(1, common_length(common, name))
        if #common == #shard then
            break
        end
    end
    local parts, number = {}, 0
    for _, name in ipairs(names) do
        if #name == #common then
            return { [shard] = names }, 1
        end
        local prefix = name:sub(1, #common + 1)
        if not parts[prefix] then
            parts[prefix] = {}
            number = number + 1
        end
        parts[prefix][#parts[prefix] + 1] = name
    end
    return parts, number
end

-- Cuts the names of `shard` (a list) into at most `limit` shards, the biggest first, until none is
-- over `size`. Returns {prefix -> names} and their number: 1 when there is nothing to gain.
function shards.plan(shard, names, size, limit)
    local whole, number = { [shard] = names }, 1
    local final = {}
    while true do
        local biggest
        for prefix, list in pairs(whole) do
            if not final[prefix] and #list > size and (not biggest or #list > #whole[biggest]) then
                biggest = prefix
            end
        end
        if not biggest then
            return whole, number
        end
        local parts, more = parts_of(biggest, whole[biggest])
        if more == 1 or number + more - 1 > limit then
            final[biggest] = true
        else
            whole[biggest] = nil
            number = number + more - 1
            for prefix, list in pairs(parts) do
                whole[prefix] = list
            end
        end
    end
end

-- The shard of {prefix -> watch} that covers a name, or nil.
function shards.find(watches, name)
    for length = 0, #name do
        local one = watches[name:sub(1, length)]
        if one then
            return one
        end
    end
end

-- The prefix to watch for a name that no shard covers: as short as it can be without taking in another
-- shard; when there are `limit` already, the nearest shards are taken in.
function shards.home(watches, name, limit)
    local nearest, number = 0, 0
    for shard in pairs(watches) do
        nearest = math.max(nearest, common_length(shard, name))
        number = number + 1
    end
    return name:sub(1, number < limit and nearest + 1 or nearest)
end

-- The shards of {prefix -> watch} that begin with a prefix, as a list.
function shards.below(watches, prefix)
    local found = {}
    for shard, one in pairs(watches) do
        if shard:sub(1, #prefix) == prefix then
            found[#found + 1] = one
        end
    end
    return found
end

return shards

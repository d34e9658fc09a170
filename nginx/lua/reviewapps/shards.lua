-- Splits a big watch by the next character of the host, so that one change never moves everything. Pure.
-- The keys in Consul keep their plain form: a shard is a prefix of the host, and each is watched alone.
local shards = {}

local ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-."

-- Says whether a shard of `count` names should be split while `total` shards exist.
function shards.should_split(count, total, settings)
    return count > settings.shard_size and total + #ALPHABET - 1 <= settings.shard_limit
end

-- The shards that a shard falls into: every character a host may go on with. No label begins with a
-- hyphen or a dot, and Consul would tidy up a path that ends in "/.".
function shards.children(shard)
    local children = {}
    local at_label = shard == "" or shard:sub(-1) == "."
    for character in ALPHABET:gmatch(".") do
        if not (at_label and character:find("[-.]")) then
            children[#children + 1] = shard .. character
        end
    end
    return children
end

-- Deals `known` {name -> index} out to the children of `shard`: {child -> {name -> index}}.
function shards.deal(shard, known)
    local dealt = {}
    for _, child in ipairs(shards.children(shard)) do
        dealt[child] = {}
    end
    for name, index in pairs(known) do
        local part = dealt[name:sub(1, #shard + 1)]
        if part then
            part[name] = index
        end
    end
    return dealt
end

return shards

-- The removal handshake: says in Consul which route generation this router serves now.
-- Whoever withdraws a route waits for it before the address may be used again.
local cjson = require "cjson.safe"
local clock = require "reviewapps.clock"
local config = require "reviewapps.config"
local consul = require "reviewapps.consul"
local store = require "reviewapps.store"

local acknowledge = {}

local EVERY = 10 -- seconds; a router silent for 30 s is no longer waited for
-- Between two claims over many shards, each of which asks Consul about all of them: at least a second,
-- and eight times as long as the last claim took, so that claims keep Consul busy for a tenth at most.
local SHARDED_PAUSE, LONGEST_PAUSE = 1, 8
local claim_took = 0
local watches, rest
local wanted = false
local written_at = 0
local claimed = 0

function acknowledge.applied()
    wanted = true
end

-- Consul's index of a shard, from the head of a listing of its keys; 0 for an empty one.
local function index_of(one)
    local path = "/v1/kv/" .. one.folder .. one.shard .. "?keys"
    local reply, err = consul.request("GET", path, { head_only = true })
    if not reply then
        return nil, err
    end
    if reply.headers["x-consul-knownleader"] ~= "true" then
        return nil, "no known leader"
    end
    if reply.status == 404 then
        return next(one.known) == nil and 0 or math.huge
    end
    return tonumber(reply.headers["x-consul-index"])
end

local function list_of(table_of)
    local list = {}
    for _, one in pairs(table_of) do
        list[#list + 1] = one
    end
    return list
end

-- With many shards, one may still be waiting for a change that is older than one seen by another. So
-- before an index is claimed, every shard is asked, and must have caught up with what it was told.
-- A shard that is split or given up meanwhile has no say; those in its place are asked the next time.
local function all_have(highest)
    for _, one in ipairs(list_of(watches)) do
        local index, err = index_of(one)
        if not index then
            return nil, err
        end
        local deadline = ngx.now() + 5
        while one.index < math.min(index, highest) do
            if one.stopped then
                return nil, "shard " .. one.shard .. " was split"
            elseif ngx.now() > deadline then
                return nil, "shard " .. one.shard .. " is behind"
            end
            ngx.sleep(0.01)
        end
    end
    return true
end

local function write(index)
    local ok, err = consul.put(config.prefix .. "routers/" .. config.router_id, cjson.encode({
        index = index, at = clock.text(), routes = store.state:get("routes_count") or 0,
    }))
    if not ok then
        return nil, err
    end
    claimed = index
    written_at = ngx.now()
    store.state:set("routes_index", index)
    return true
end

-- The index to claim, nil when there is none yet. With many shards it is that of the last listing of
-- all names, each of which has a shard: one that was withdrawn moves it too.
local function candidate()
    if watches[""] then
        return watches[""].index > 0 and watches[""].index or nil
    end
    return rest.index > 0 and rest.index or nil
end

local function claim()
    local index = candidate()
    if not index then
        return true
    end
    if not watches[""] and index ~= claimed then
        local started = ngx.now()
        local ok, err = all_have(index)
        claim_took = ngx.now() - started
        if not ok then
            return nil, err
        end
    end
    return write(index)
end

local function is_due()
    local pause = ngx.now() - written_at
    if wanted then
        return watches[""] ~= nil or pause >= math.min(LONGEST_PAUSE, math.max(SHARDED_PAUSE, 8 * claim_took))
    end
    -- Not while Consul is silent: an old acknowledgement must grow old.
    return pause >= EVERY
end

local function run(premature)
    for _ = 1, 500 do
        if premature or ngx.worker.exiting() then
            return
        end
        if is_due() then
            wanted = false
            local fine, ok, err = pcall(claim)
            if not fine or not ok then
                wanted = true
                store.count("acknowledge_errors")
                store.state:set("watch_error", "acknowledge: " .. tostring(fine and err or ok))
                ngx.sleep(0.5)
            end
        end
        ngx.sleep(0.01)
    end
    ngx.timer.at(0, run)
end

function acknowledge.start(route_watches, route_rest)
    watches, rest = route_watches, route_rest
    wanted = true
    ngx.timer.at(0, run)
end

return acknowledge

-- Worker 0 keeps the shared tables equal to Consul: routes and host records, each watched in one or
-- more shards.
local acknowledge = require "reviewapps.acknowledge"
local answer = require "reviewapps.answer"
local changes = require "reviewapps.changes"
local config = require "reviewapps.config"
local consul = require "reviewapps.consul"
local kept = require "reviewapps.kept"
local rest = require "reviewapps.rest"
local shards = require "reviewapps.shards"
local snapshot = require "reviewapps.snapshot"
local store = require "reviewapps.store"
local version = require "reviewapps.version"
local watch = require "reviewapps.watch"

local sync = {}

local FEW = 32 -- records asked for one by one; more are read together

local EMPTY_SECONDS = 60 -- then a shard without names is given up
-- A part of the shards is left for names that come later and belong to none.
local PLANNED = 0.75

sync.watches = { routes = {}, hosts = {} }
sync.rests = {}

local cover

local function apply(name, result)
    local moved, err = store.apply(name, result)
    if err then
        store.count("full_errors")
        ngx.log(ngx.ERR, "shared table ", name, ": ", err)
        return nil, "shared table " .. name .. ": " .. err
    end
    if moved > 0 then
        store.count("applies")
        snapshot.due()
    end
    return true
end

local function apply_hosts(_, changed, gone)
    for name in pairs(changed) do
        cover("routes", name) -- its route comes next: the watch stands ready
    end
    return apply("hosts", changes.hosts(changed, gone))
end

local function read_records(path)
    local reply, err = consul.request("GET", path, { limit = 64 * 1024 * 1024, timeout = 30 })
    if not reply then
        return nil, err
    end
    local read
    read, err = answer.read(reply)
    if not read then
        return nil, err
    end
    return apply("hosts", changes.hosts(answer.compare(read, config.prefix .. "hosts/", {}), {}))
end

-- A route is not served before the record of its host as it was when the route was written: the record
-- says who may see the app. The watch on the records may be a moment behind the one on the routes.
local function records_first(self, changed)
    local late, number = {}, 0
    for name, row in pairs(changed) do
        cover("hosts", name)
        local hosts = shards.find(sync.watches.hosts, name)
        if (hosts and hosts.index or 0) < row.ModifyIndex and shards.is_watchable(name) then
            number = number + 1
            late[number] = name
        end
    end
    if number > FEW then
        return read_records("/v1/kv/" .. config.prefix .. "hosts/" .. self.shard .. "?recurse=true")
    end
    for _, name in ipairs(late) do
        local ok, err = read_records("/v1/kv/" .. config.prefix .. "hosts/" .. name)
        if not ok then
            return nil, err
        end
    end
    return true
end

-- A new route takes an address from a host that is only kept: that one yields.
local function yield_addresses(result)
    local function value_of(name)
        return store.routes:get(name)
    end
    local yielding = {}
    for _, value in pairs(result) do
        if value then
            for _, one in pairs(sync.watches.routes) do
                for _, name in ipairs(kept.displaced(one.kept, value, value_of)) do
                    yielding[#yielding + 1] = name
                end
                kept.forget(one.kept, yielding)
            end
        end
    end
    for _, name in ipairs(yielding) do
        result[name] = result[name] or false
    end
    return result
end

local function apply_routes(self, changed, gone)
    local ok, err = records_first(self, changed)
    if not ok then
        return nil, "records: " .. err
    end
    if self.stopped then
        return nil, "stopped"
    end
    local result, refused = changes.routes(config.rules, changed, gone)
    if refused > 0 then
        store.count("refused_routes", refused)
    end
    return apply("routes", yield_addresses(result))
end

local function count(known)
    local number = 0
    for _ in pairs(known) do
        number = number + 1
    end
    return number
end

local start

local function stop(self)
    self.stopped = true
    sync.watches[self.name][self.shard] = nil
end

-- Lets a shard fall apart, when that gains something.
local function split(self, number)
    local names = {}
    for name in pairs(self.known) do
        if shards.is_watchable(name) then
            names[#names + 1] = name
        end
    end
    local allowed = math.floor(config.shard_limit * PLANNED) - number + 1
    local parts, count_of_parts = shards.plan(self.shard, names, config.shard_size, allowed)
    if count_of_parts == 1 then
        self.whole_at = self.count
        return
    end
    stop(self)
    for shard, list in pairs(parts) do
        local known = {}
        for _, name in ipairs(list) do
            known[name] = self.known[name]
        end
        start(self.name, shard, known, self.highest)
    end
    rest.start(sync.rests[self.name])
end

-- Watches a name that no shard covers; shards that stand in the way become one with the new.
function cover(name_of_table, name)
    local watches = sync.watches[name_of_table]
    if not next(watches) or shards.find(watches, name) or not shards.is_watchable(name) then
        return
    end
    local home = shards.home(watches, name, config.shard_limit)
    local known, highest, keeping = {}, 0, kept.new(config.keep_seconds)
    for _, one in ipairs(shards.below(watches, home)) do
        stop(one)
        for known_name, index in pairs(one.known) do
            known[known_name] = index
        end
        kept.take(keeping, one.kept)
        highest = math.max(highest, one.highest)
    end
    start(name_of_table, home, known, highest, keeping)
end

local function totals(watches)
    local names, keeping, number = 0, 0, 0
    for _, one in pairs(watches) do
        number = number + 1
        names = names + one.count
        keeping = keeping + one.kept.count
    end
    return number, names, keeping
end

-- After a change: the counts, the index for the next start, the acknowledgement, a split when it is due.
-- `is_nothing`: there was no name and there is none, only Consul's index has moved.
local function on_applied(self, is_nothing)
    local watches = sync.watches[self.name]
    self.count = count(self.known)
    local number, names, keeping = totals(watches)
    store.state:set(self.name .. "_count", names)
    store.state:set(self.name .. "_kept", keeping)
    store.state:set(self.name .. "_shards", number)
    store.state:set("highest|" .. self.name, self.highest)
    if self.kept.count == 0 and self.count > math.max(config.shard_size, (self.whole_at or 0) * 1.1) then
        split(self, number)
    end
    if self.name == "routes" and not is_nothing then
        acknowledge.applied()
    end
end

-- After a round that went well: a shard that has long been empty is left to the rest, and how old the
-- oldest shard is.
local function on_synced(self)
    local is_empty = self.empty_since and ngx.now() - self.empty_since > EMPTY_SECONDS
    if is_empty and next(sync.watches[self.name], (next(sync.watches[self.name]))) then
        stop(self) -- but never the last one
    end
    local oldest
    for _, one in pairs(sync.watches[self.name]) do
        if not one.synced_at then
            return
        end
        oldest = math.min(oldest or one.synced_at, one.synced_at)
    end
    store.state:set("synced_at|" .. self.name, oldest)
    if self.name == "routes" and not store.state:get("synced") then
        store.state:set("synced", true)
        version.move(store.state)
    end
end

function start(name, shard, known, highest, keeping)
    local self = {
        name = name, folder = config.prefix .. name .. "/", shard = shard, known = known,
        count = count(known), highest = highest or 0, kept = keeping,
        on_applied = on_applied, on_synced = on_synced, on_error = snapshot.trust,
        apply = name == "routes" and apply_routes or apply_hosts,
    }
    sync.watches[name][shard] = self
    return watch.start(self)
end

-- What the shared table holds already, from before a reload or from the snapshot.
local function known_of(name)
    local known = {}
    for _, key in ipairs(store[name]:get_keys(0)) do
        known[key] = 0
    end
    return known
end

local function begin(name)
    local watches = sync.watches[name]
    sync.rests[name] = rest.new(config.prefix .. name .. "/", watches, function(host)
        cover(name, host)
    end, name == "routes" and acknowledge.applied or function() end)
    start(name, "", known_of(name), store.state:get("highest|" .. name))
end

function sync.start()
    ngx.timer.at(0, function(premature)
        if premature then
            return
        end
        store.state:delete("synced_at|hosts")
        begin("hosts")
        while not store.state:get("synced_at|hosts") and not ngx.worker.exiting() do
            ngx.sleep(0.02)
        end
        begin("routes")
        acknowledge.start(sync.watches.routes, sync.rests.routes)
    end)
    snapshot.start()
    ngx.timer.at(config.answer_seconds / 4, snapshot.trust)
end

return sync

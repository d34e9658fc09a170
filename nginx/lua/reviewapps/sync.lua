-- Worker 0 keeps the shared tables equal to Consul: routes and host records, each watched in one or
-- more shards.
local acknowledge = require "reviewapps.acknowledge"
local answer = require "reviewapps.answer"
local changes = require "reviewapps.changes"
local config = require "reviewapps.config"
local consul = require "reviewapps.consul"
local kept = require "reviewapps.kept"
local shards = require "reviewapps.shards"
local snapshot = require "reviewapps.snapshot"
local store = require "reviewapps.store"
local version = require "reviewapps.version"
local watch = require "reviewapps.watch"

local sync = {}

local FEW = 32 -- records asked for one by one; more are read together

sync.watches = { routes = {}, hosts = {} }

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
    return apply("hosts", changes.hosts(answer.compare(read.rows, config.prefix .. "hosts/", {}), {}))
end

-- A route is not served before the record of its host as it was when the route was written: the record
-- says who may see the app. The watch on the records may be a moment behind the one on the routes.
local function records_first(self, changed)
    local late, number = {}, 0
    for name, row in pairs(changed) do
        local hosts_index = 0
        for _, one in pairs(sync.watches.hosts) do
            if name:sub(1, #one.shard) == one.shard then
                hosts_index = one.index
            end
        end
        if hosts_index < tonumber(row.ModifyIndex) then
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

local function split(self, watches)
    self.stopped = true
    watches[self.shard] = nil
    for child, known in pairs(shards.deal(self.shard, self.known)) do
        start(self.name, child, known, self.highest)
    end
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
local function on_applied(self)
    local watches = sync.watches[self.name]
    self.count = count(self.known)
    local number, names, keeping = totals(watches)
    store.state:set(self.name .. "_count", names)
    store.state:set(self.name .. "_kept", keeping)
    store.state:set(self.name .. "_shards", number)
    store.state:set("highest|" .. self.name, self.highest)
    if self.kept.count == 0 and shards.should_split(self.count, number, config) then
        split(self, watches)
    end
    if self.name == "routes" then
        acknowledge.applied()
    end
end

-- After a round that went well: how old the oldest shard is.
local function on_synced(self)
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

function start(name, shard, known, highest)
    local self = {
        name = name, folder = config.prefix .. name .. "/", shard = shard, known = known,
        count = count(known), highest = highest or 0,
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
        acknowledge.start(sync.watches.routes)
    end)
    snapshot.start()
    ngx.timer.at(config.answer_seconds / 4, snapshot.trust)
end

return sync

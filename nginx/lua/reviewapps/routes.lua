-- Host -> peers, from a table in each worker that is emptied when the shared tables have changed.
local balancer = require "ngx.balancer"
local cjson = require "cjson.safe"
local address = require "reviewapps.address"
local config = require "reviewapps.config"
local host_names = require "reviewapps.host"
local machines = require "reviewapps.machines"
local store = require "reviewapps.store"
local version = require "reviewapps.version"

local set_current_peer = balancer.set_current_peer
local set_timeouts = balancer.set_timeouts
local get_last_failure = balancer.get_last_failure
local now = ngx.time
local var = ngx.var

local routes = {}

-- No more names than this are remembered: names below an app's host come from clients.
local LIMIT = 20000
local SERVED = { running = true, deploying = true, failed = true }

local page
local seen_version
local is_synced -- before the first answer of Consul nothing is served, not even from the snapshot
local open_lane = {}
local open_count = 0
local records = {}
local record_count = 0

routes.activity = {} -- host -> second of the last plain request, emptied by seen.lua

local function fresh()
    page = page or version.page()
    if page[0] ~= seen_version then
        seen_version = page[0]
        is_synced = store.state:get("synced")
        open_lane, open_count = {}, 0
        records, record_count = {}, 0
    end
end

-- The host record (a table) of an app's host, or nil.
local function record_of(app_host)
    local text = store.hosts:get(app_host)
    return text and cjson.decode(text) or nil
end

local function look_up(name)
    local entry = { host = name }
    local route = store.routes:get(name)
    local record = record_of(name)
    if not route and not record then
        local app_host = host_names.of_app(config.domains, name)
        if app_host and app_host ~= name then
            record = record_of(app_host)
            if not record or not record.subdomains then
                return nil
            end
            entry.host = app_host
            route = store.routes:get(app_host)
        end
    end
    if not route and not record then
        return nil
    end
    entry.record = record or config.unrecorded
    entry.peers = route and address.peers(config.rules, route) or nil
    entry.turn = 0
    if not entry.record then
        entry.peers = nil
        entry.record = { state = "deploying", access = { kind = "closed" } }
    end
    return entry
end

-- Everything known about a name: {host, record, peers or nil}, or nil when it is no app's.
function routes.find(name)
    fresh()
    if not is_synced then
        return nil
    end
    local entry = records[name]
    if entry == nil then
        entry = look_up(name)
        if entry then
            if record_count >= LIMIT then
                records, record_count = {}, 0
            end
            records[name] = entry
            record_count = record_count + 1
        end
    end
    return entry
end

-- Says whether a known app is served now: it has a route and nobody has put it to sleep.
function routes.is_served(entry)
    return entry.peers ~= nil and SERVED[entry.record.state] == true
end

-- The next peer of an entry, in turn.
function routes.next_peer(entry)
    local peers = entry.peers
    local turn = entry.turn % #peers + 1
    entry.turn = turn
    return peers[turn]
end

local function is_open(entry)
    local access = entry.record.access
    return routes.is_served(entry)
        and type(access) == "table" and access.kind == "public"
        and not entry.record.identity
end

local function admit(name)
    local entry = routes.find(name)
    if not entry or not is_open(entry) then
        return nil
    end
    if open_count >= LIMIT then
        open_lane, open_count = {}, 0
    end
    open_lane[name] = entry
    open_count = open_count + 1
    return entry
end

local function to_gate()
    -- Held requests, event streams and websockets may be silent for long.
    set_timeouts(2, 3600, 3600)
    return set_current_peer(config.gate)
end

-- The fast lane's balancer phase.
function routes.pick()
    local name = var.lane
    if page == nil or page[0] ~= seen_version then
        fresh()
    end
    local entry = open_lane[name]
    if entry == nil then
        entry = name ~= "" and admit(name) or nil
        if entry == nil then
            return to_gate()
        end
    end
    -- A failed first try goes to the gate: it dials anew, and holds or explains.
    if get_last_failure() then
        return to_gate()
    end
    local second = now()
    if entry.second ~= second then
        entry.second = second
        if not machines.kind(var.http_user_agent) then
            routes.activity[entry.host] = second
        end
    end
    local peer = entry.peers[1]
    if entry.peers[2] then
        peer = routes.next_peer(entry)
    end
    return set_current_peer(peer.ip, peer.port)
end

return routes

-- When each app was last used and how many websockets are open: kept in memory, flushed in batches.
local cjson = require "cjson.safe"
local config = require "reviewapps.config"
local consul = require "reviewapps.consul"
local routes = require "reviewapps.routes"
local store = require "reviewapps.store"

local seen = {}

local TO_DICT = 5 -- seconds; to Consul every config.seen_seconds
local LIVES = 60 -- a killed worker's websockets are forgotten after so long
local VALUE_LIMIT = 450000 -- bytes; Consul refuses a value over 512 KiB

local sockets = {}

function seen.open(host)
    sockets[host] = (sockets[host] or 0) + 1
end

function seen.close(host)
    sockets[host] = math.max(0, (sockets[host] or 0) - 1)
end

-- Moves what this worker saw into the shared table.
function seen.flush()
    local state = store.state
    for host, second in pairs(routes.activity) do
        local known = state:get("seen|" .. host) or 0
        if second > known then
            state:set("seen|" .. host, second)
        end
        routes.activity[host] = nil
    end
    local leaving = ngx.worker.exiting()
    for host, count in pairs(sockets) do
        local key = "sockets|" .. ngx.worker.pid() .. "|" .. host
        if count > 0 then
            state:set(key, count, LIVES)
            state:set("seen|" .. host, ngx.time())
        else
            state:delete(key)
            sockets[host] = nil
        end
    end
    state:set("holding|" .. ngx.worker.pid(), require("reviewapps.hold").now_holding, 15)
    return leaving
end

-- All of it as {host -> {at, websockets}}, for hosts that still have a record or a route.
function seen.report()
    local report, list = {}, {}
    local state = store.state
    for _, key in ipairs(state:get_keys(0)) do
        local host = key:match("^seen|(.+)$")
        if host and (store.hosts:get(host) or store.routes:get(host)) then
            report[host] = { at = state:get(key) or 0, websockets = 0 }
            list[#list + 1] = host
        elseif host then
            state:delete(key)
        end
    end
    for _, key in ipairs(state:get_keys(0)) do
        local host = key:match("^sockets|%d+|(.+)$")
        if host and report[host] then
            report[host].websockets = report[host].websockets + (state:get(key) or 0)
        end
    end
    return report, list
end

-- The report as JSON that Consul accepts: the longest unseen hosts go first when it is too long.
local function encoded()
    local report, list = seen.report()
    if #list == 0 then
        return "{}"
    end
    local text = cjson.encode(report)
    if #text > VALUE_LIMIT then
        table.sort(list, function(left, right)
            return report[left].at < report[right].at
        end)
        while #text > VALUE_LIMIT do
            for _ = 1, math.ceil(#list / 10) do
                report[table.remove(list, 1)] = nil
            end
            text = cjson.encode(report)
        end
    end
    return text
end

local function run(premature, since_consul)
    for _ = 1, 20 do
        if premature or ngx.worker.exiting() then
            seen.flush()
            return
        end
        seen.flush()
        since_consul = since_consul + TO_DICT
        if ngx.worker.id() == 0 and since_consul >= config.seen_seconds then
            since_consul = 0
            local ok = consul.put(config.prefix .. "seen/" .. config.router_id, encoded())
            if not ok then
                store.count("seen_errors")
            end
        end
        ngx.sleep(math.min(TO_DICT, config.seen_seconds))
    end
    ngx.timer.at(0, run, since_consul)
end

function seen.start()
    ngx.timer.at(0, run, 0)
end

return seen

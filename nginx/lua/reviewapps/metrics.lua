-- The router's own figures as Prometheus text, and its health as JSON. No per-host labels: hosts come
-- and go for years, and each would stay in the memory of whoever collects.
local cjson = require "cjson.safe"
local config = require "reviewapps.config"
local pages = require "reviewapps.pages"
local store = require "reviewapps.store"

local metrics = {}

local COUNTERS = {
    { "applies", "changes of the shared tables" },
    { "watch_errors", "rounds of the watch that failed" },
    { "index_resets", "times Consul's index went backwards" },
    { "suspicious_answers", "answers that lost more than half and were asked again" },
    { "refused_routes", "route values outside the node network or malformed" },
    { "full_errors", "writes that found a shared table full" },
    { "held", "requests held until their app answered" },
    { "held_refused", "requests not held because too many were" },
    { "wakes", "wake wishes written" },
    { "wish_errors", "wake wishes that Consul did not take" },
    { "acknowledge_errors", "acknowledgements that Consul did not take" },
    { "seen_errors", "activity reports that Consul did not take" },
    { "snapshot_errors", "snapshots that could not be written" },
    { "password_refused", "wrong passwords" },
    { "share_refused", "share links that did not open" },
    { "identity_refused", "answers of another app that were not passed on" },
}

local function gauge(lines, name, help, value)
    lines[#lines + 1] = "# HELP reviewapps_router_" .. name .. " " .. help
    lines[#lines + 1] = "# TYPE reviewapps_router_" .. name .. " gauge"
    lines[#lines + 1] = "reviewapps_router_" .. name .. " " .. tostring(value)
end

local function sum(pattern)
    local total = 0
    for _, key in ipairs(store.state:get_keys(0)) do
        if key:find(pattern) then
            total = total + (store.state:get(key) or 0)
        end
    end
    return total
end

local function own_pages(lines)
    lines[#lines + 1] = "# HELP reviewapps_router_pages_total answers of the router itself, by cause"
    lines[#lines + 1] = "# TYPE reviewapps_router_pages_total counter"
    for _, key in ipairs(store.state:get_keys(0)) do
        local cause = key:match("^pages|(.+)$")
        if cause then
            lines[#lines + 1] = string.format('reviewapps_router_pages_total{cause="%s"} %d',
                cause, store.state:get(key) or 0)
        end
    end
end

function metrics.answer()
    local lines = {}
    gauge(lines, "routes", "routes in the table", store.state:get("routes_count") or 0)
    gauge(lines, "hosts", "host records in the table", store.state:get("hosts_count") or 0)
    gauge(lines, "routes_kept", "routes kept although Consul lost them", store.state:get("routes_kept") or 0)
    gauge(lines, "routes_shards", "watches on routes", store.state:get("routes_shards") or 0)
    gauge(lines, "routes_index", "Consul index of the routes served", store.state:get("routes_index") or 0)
    gauge(lines, "sync_age_seconds", "seconds since Consul last confirmed the routes", pages.age() or "NaN")
    gauge(lines, "holding", "requests held now", sum("^holding|"))
    gauge(lines, "websockets", "websockets open now", sum("^sockets|"))
    gauge(lines, "routes_free_bytes", "free pages of the route table", store.routes:free_space())
    gauge(lines, "hosts_free_bytes", "free pages of the host table", store.hosts:free_space())
    for _, counter in ipairs(COUNTERS) do
        lines[#lines + 1] = "# HELP reviewapps_router_" .. counter[1] .. "_total " .. counter[2]
        lines[#lines + 1] = "# TYPE reviewapps_router_" .. counter[1] .. "_total counter"
        lines[#lines + 1] = string.format("reviewapps_router_%s_total %d", counter[1],
            store.state:get(counter[1]) or 0)
    end
    own_pages(lines)
    ngx.say(table.concat(lines, "\n"))
end

-- 200 as long as the router can serve; how old its knowledge is stands beside it.
function metrics.health()
    local ready = store.state:get("synced") == true
    ngx.status = ready and 200 or 503
    ngx.header["Content-Type"] = "application/json"
    ngx.say(cjson.encode({
        ready = ready, router = config.router_id, routes = store.state:get("routes_count") or 0,
        index = store.state:get("routes_index"), sync_age_seconds = pages.age(),
        last_error = store.state:get("watch_error"),
    }))
end

return metrics

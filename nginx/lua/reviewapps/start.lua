-- What runs when nginx starts: in the master once for each configuration, then in every worker.
local cjson = require "cjson.safe"
local address = require "reviewapps.address"
local config = require "reviewapps.config"
local version = require "reviewapps.version"

local start = {}

function start.master(settings_json)
    config.fill(assert(cjson.decode(settings_json)))
    if config.router_id == "" then
        config.router_id = os.getenv("REVIEWAPPS_ROUTER_ID") or "router"
    end
    config.rules = address.rules(config.node_networks, config.first_port, config.last_port)
    config.gate = "unix:" .. config.run_dir .. "/gate.sock"
    version.map(config.run_dir .. "/version")
    local store = require "reviewapps.store"
    require("reviewapps.pages").load(config.nginx_dir .. "/pages")
    -- The tables outlive a reload; they are empty after a start or when their size was changed.
    if #store.routes:get_keys(1) == 0 and #store.hosts:get_keys(1) == 0 then
        store.state:delete("synced")
        require("reviewapps.snapshot").load()
    end
    version.move(store.state)
    require "reviewapps.routes"
    require "reviewapps.gate"
end

function start.worker()
    math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
    require("reviewapps.seen").start()
    if ngx.worker.id() == 0 then
        require("reviewapps.sync").start()
    end
end

function start.leave()
    require("reviewapps.seen").flush()
end

return start

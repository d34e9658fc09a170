-- From the gate to an app: which peer this try goes to. No yielding here, and no ngx.exit: on Debian's
-- nginx an exit with 503 in this phase becomes a 500.
local ngx_balancer = require "ngx.balancer"
local config = require "reviewapps.config"
local routes = require "reviewapps.routes"

local balancer = {}

local TRIES = 3

function balancer.app()
    local ctx = ngx.ctx
    local entry = routes.find(ngx.var.host)
    if not entry or not routes.is_served(entry) then
        -- Withdrawn since the access phase: a dead end, so that broken.lua decides.
        ngx_balancer.set_current_peer("unix:" .. config.run_dir .. "/nowhere.sock")
        return
    end
    if not ctx.tried then
        ctx.tried = true
        ngx_balancer.set_more_tries(math.min(TRIES, #entry.peers + 1) - 1)
    end
    if ngx.var.http_upgrade then
        ngx_balancer.set_timeouts(2, 3600, 3600)
    end
    local peer = routes.next_peer(entry)
    ngx_balancer.set_current_peer(peer.ip, peer.port)
end

return balancer

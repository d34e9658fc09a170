-- No answer from the app. Nothing of the request was sent: look for another place for a few seconds.
-- Something was sent: say so, because sending it again could do its work twice.
local pages = require "reviewapps.pages"
local routes = require "reviewapps.routes"

local broken = {}

local ROUNDS = 4 -- nginx allows ten internal redirects; each round takes two
local WAITS = { 0.2, 0.8, 2, 3 } -- seconds before each further try

local function was_sent()
    for number in (ngx.var.upstream_bytes_sent or ""):gmatch("%d+") do
        if tonumber(number) > 0 then
            return true
        end
    end
    return false
end

local function place(entry)
    if not entry or not routes.is_served(entry) then
        return ""
    end
    return entry.peers[1].ip .. ":" .. entry.peers[1].port
end

function broken.answer()
    if ngx.is_subrequest then
        return ngx.exit(500) -- never: an answer from here would count as a "yes" of the sign-in
    end
    local round = (tonumber(ngx.var.round) or 0) + 1
    if was_sent() or round > ROUNDS then
        return pages.broken(ngx.var.upstream_status or "502")
    end
    ngx.var.round = tostring(round)
    local before = place(routes.find(ngx.var.host))
    local deadline = ngx.now() + WAITS[round]
    repeat
        ngx.sleep(0.05)
    until ngx.now() > deadline or place(routes.find(ngx.var.host)) ~= before
    return ngx.exec("@again")
end

return broken

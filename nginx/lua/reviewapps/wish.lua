-- "Somebody wants this app": one small key in Consul per app, at most every five seconds.
local cjson = require "cjson.safe"
local clock = require "reviewapps.clock"
local config = require "reviewapps.config"
local consul = require "reviewapps.consul"
local store = require "reviewapps.store"

local wish = {}

local EVERY = 5

local function write(premature, slug)
    if premature then
        return
    end
    local ok, err = consul.put(config.prefix .. "wishes/" .. slug, cjson.encode({
        wish = "wake", at = clock.text(), router = config.router_id,
    }))
    if ok then
        store.count("wakes")
    else
        store.count("wish_errors")
        store.state:set("watch_error", "wish: " .. err)
        store.state:delete("wish|" .. slug) -- the next request may try again
    end
end

-- Asks for the app of this entry; call it only after the access check.
function wish.wake(entry)
    local slug = type(entry.record.slug) == "string" and entry.record.slug
        or entry.host:match("^[^.]+")
    if not slug:find("^[a-z0-9-]+$") then
        return
    end
    if store.state:add("wish|" .. slug, true, EVERY) then
        ngx.timer.at(0, write, slug)
    end
end

return wish

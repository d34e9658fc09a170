-- Keeps a request waiting until its app is served, and asks for the app meanwhile.
local config = require "reviewapps.config"
local routes = require "reviewapps.routes"
local store = require "reviewapps.store"
local wish = require "reviewapps.wish"

local hold = {}

local STEP = 0.025 -- seconds between two looks; a look is one memory read when nothing has changed
hold.now_holding = 0 -- in this worker

-- Waits until `name` is served. Returns its entry, or nil and "full", "late" or "changed".
function hold.until_served(name, seconds)
    if hold.now_holding >= config.hold_max then
        store.count("held_refused")
        return nil, "full"
    end
    hold.now_holding = hold.now_holding + 1
    store.count("held")
    local deadline = ngx.now() + seconds
    local entry, why
    repeat
        ngx.sleep(STEP * (0.75 + math.random() / 2))
        entry = routes.find(name)
        if not entry then
            why = "changed"
        elseif routes.is_served(entry) then
            why = nil
            break
        else
            local state = entry.record.state
            if state == "paused" or state == "destroying" or state == "failed" then
                why = "changed"
            elseif state == "asleep" then
                wish.wake(entry)
                why = nil
            end
        end
    until why or ngx.now() > deadline
    hold.now_holding = hold.now_holding - 1
    if entry and routes.is_served(entry) then
        return entry
    end
    return nil, why or "late"
end

return hold

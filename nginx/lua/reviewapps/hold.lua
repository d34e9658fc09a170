-- Keeps a request waiting until its app is served, and asks for the app meanwhile.
-- Who waits sleeps until something has changed: one look for all of a worker, not one for each.
local semaphore = require "ngx.semaphore"
local config = require "reviewapps.config"
local routes = require "reviewapps.routes"
local store = require "reviewapps.store"
local version = require "reviewapps.version"
local wish = require "reviewapps.wish"

local hold = {}

local STEP = 0.01 -- seconds between two looks: one memory read
local REPEAT = 1 -- seconds between two wishes of one request; wish.lua lets few of them through
local BATCH = 50 -- let go at a time, so that others get their turn in between
hold.now_holding = 0 -- in this worker

local changed = semaphore.new()
local is_looking = false

-- Wakes all who wait whenever the tables have changed, for as long as somebody waits.
local function look(premature)
    local page = version.page()
    local seen = page[0]
    while hold.now_holding > 0 and not premature do
        ngx.sleep(STEP)
        if page[0] ~= seen then
            seen = page[0]
            local waiting = -changed:count()
            while waiting > 0 do
                changed:post(math.min(BATCH, waiting))
                waiting = waiting - BATCH
                ngx.sleep(0.001)
            end
        end
    end
    is_looking = false
end

local function wait(seconds)
    if not is_looking then
        is_looking = ngx.timer.at(0, look) and true or false
    end
    -- A worker on its way out starts no timer any more: there everybody looks alone.
    changed:wait(math.max(0.001, math.min(seconds, is_looking and REPEAT or 2.5 * STEP)))
end

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
        wait(deadline - ngx.now())
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

-- The tables that all workers share: routes and host records, filled by the watch, read by all.
local version = require "reviewapps.version"

local store = {
    routes = ngx.shared.reviewapps_routes,
    hosts = ngx.shared.reviewapps_hosts,
    state = ngx.shared.reviewapps_state,
}

-- Writes changes {host -> value or false} into one table and says so to all workers.
-- `safe_set`, so that a full dict is an error that somebody reads and not a route that vanishes.
function store.apply(name, changes)
    local dict = store[name]
    local moved = 0
    local failed
    for key, value in pairs(changes) do
        if value then
            if dict:get(key) ~= value then
                local ok, err = dict:safe_set(key, value)
                if ok then
                    moved = moved + 1
                else
                    failed = err
                end
            end
        elseif dict:get(key) ~= nil then
            dict:delete(key)
            moved = moved + 1
        end
    end
    if moved > 0 then
        version.move(store.state)
    end
    return moved, failed
end

function store.count(name, by)
    store.state:incr(name, by or 1, 0)
end

return store

-- Times as they stand in Consul.
local clock = {}

-- Now, as 2026-11-21T08:00:00.123Z.
function clock.text()
    local now = ngx.now()
    return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(now)) .. string.format(".%03dZ", now % 1 * 1000)
end

return clock

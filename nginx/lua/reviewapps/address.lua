-- Route values: which `ip:port` an app may stand at. Pure.
-- Checked here whoever wrote the route: a route to 127.0.0.1:8500 would aim the router at Consul.
local address = {}

-- A dotted quad as a number, or nil. Only the plain form: no octal, hex, short or IPv6 forms.
function address.number(text)
    local a, b, c, d = text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
    if not a then
        return nil
    end
    local sum = 0
    for _, part in ipairs({ a, b, c, d }) do
        local value = tonumber(part)
        if value > 255 or (#part > 1 and part:sub(1, 1) == "0") then
            return nil
        end
        sum = sum * 256 + value
    end
    return sum
end

-- `10.86.0.0/24` as {first, last}, or nil.
function address.network(text)
    local ip, bits = text:match("^([%d.]+)/(%d%d?)$")
    local number = ip and address.number(ip)
    bits = tonumber(bits)
    if not number or bits > 32 then
        return nil
    end
    local size = 2 ^ (32 - bits)
    local first = number - number % size
    return { first = first, last = first + size - 1 }
end

-- What a router accepts: networks (a list of CIDR texts) and a port range.
function address.rules(networks, first_port, last_port)
    local rules = { networks = {}, first_port = first_port, last_port = last_port }
    for _, text in ipairs(networks) do
        local network = address.network(text)
        assert(network, "not an IPv4 network: " .. text)
        table.insert(rules.networks, network)
    end
    return rules
end

local function allowed(rules, number, port)
    if port < rules.first_port or port > rules.last_port then
        return false
    end
    for _, network in ipairs(rules.networks) do
        if number >= network.first and number <= network.last then
            return true
        end
    end
    return false
end

-- The peers that a route value names: a list of {ip, port}, or nil and what is wrong with it.
function address.peers(rules, value)
    if type(value) ~= "string" or #value > 1024 then
        return nil, "not a short text"
    end
    local peers = {}
    for part in (value .. " "):gmatch("(.-) ") do
        local ip, digits = part:match("^([%d.]+):([1-9]%d?%d?%d?%d?)$")
        local number = ip and address.number(ip)
        if not number then
            return nil, "not ip:port"
        end
        local port = tonumber(digits)
        if not allowed(rules, number, port) then
            return nil, "outside the node network or port range"
        end
        table.insert(peers, { ip = ip, port = port })
    end
    return peers
end

return address

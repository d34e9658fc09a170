-- What rows of Consul change in the shared tables; a bad value is no route, a bad record closes its app.
local cjson = require "cjson.safe"
local address = require "reviewapps.address"
local host_names = require "reviewapps.host"

local changes = {}

local UNREADABLE =
    '{"state":"failed","cause":"the host record is not JSON","access":{"kind":"closed"}}'

local function value_of(row)
    return type(row.Value) == "string" and ngx.decode_base64(row.Value) or ""
end

-- {name -> value or false} for the route table, and how many values were refused.
function changes.routes(rules, changed, gone)
    local result, refused = {}, 0
    for name, row in pairs(changed) do
        local value = value_of(row)
        local peers, why = address.peers(rules, value)
        if not host_names.is_name(name) then
            refused = refused + 1
        elseif not peers then
            refused = refused + 1
            result[name] = false
            ngx.log(ngx.WARN, "route of ", name, " refused: ", why)
        else
            result[name] = value
        end
    end
    for _, name in ipairs(gone) do
        result[name] = false
    end
    return result, refused
end

-- {name -> value or false} for the table of host records.
function changes.hosts(changed, gone)
    local result = {}
    for name, row in pairs(changed) do
        local value = value_of(row)
        if host_names.is_name(name) then
            result[name] = type(cjson.decode(value)) == "table" and value or UNREADABLE
        end
    end
    for _, name in ipairs(gone) do
        result[name] = false
    end
    return result
end

return changes

-- Host names: which are ours, and which app a name below an app's host belongs to. Pure.
local host = {}

-- Says whether `name` is a lower-case DNS name that could be a host of ours.
function host.is_name(name)
    if #name == 0 or #name > 253 or name:find("[^a-z0-9.-]") or name:find("..", 1, true) then
        return false
    end
    for label in (name .. "."):gmatch("(.-)%.") do
        if #label == 0 or #label > 63 or label:sub(1, 1) == "-" or label:sub(-1) == "-" then
            return false
        end
    end
    return not name:find("^[%d.]+$")
end

-- Returns the domain of `domains` that `name` stands below, or nil.
function host.domain(domains, name)
    for _, domain in ipairs(domains) do
        if #name > #domain + 1 and name:sub(-#domain - 1) == "." .. domain then
            return domain
        end
    end
    return nil
end

-- Returns the app's host that `name` is or stands below: the last label before the domain.
function host.of_app(domains, name)
    local domain = host.domain(domains, name)
    if not domain then
        return nil
    end
    local left = name:sub(1, #name - #domain - 1)
    return left:match("([^.]+)$") .. "." .. domain
end

-- Says whether the Host header, whatever its case, port or final dot, names `name`.
function host.same(name, header)
    if not header then
        return false
    end
    local plain = header:lower():gsub(":%d+$", ""):gsub("%.$", "")
    return plain == name
end

return host

-- An app's cookies stay on its own host: `Domain` is cut out of every Set-Cookie, however it is written.
-- nginx's own proxy_cookie_domain does not see `Domain<tab>=…`, browsers do.
local cookies = {}

-- One Set-Cookie line without its Domain attribute, or nil when the app sets a cookie of the platform.
function cookies.clean(line)
    local name = line:match("^%s*([^=;]*)"):match("^(.-)%s*$"):lower()
    if name == "reviewapps" or name == "__host-reviewapps" then
        return nil
    end
    local kept = {}
    for part in (line .. ";"):gmatch("(.-);") do
        local attribute = part:match("^[%s%c]*([^=]*)"):match("^(.-)[%s%c]*$"):lower()
        if #kept == 0 or attribute ~= "domain" then
            kept[#kept + 1] = part
        end
    end
    return table.concat(kept, ";")
end

-- Cleans the Set-Cookie lines of the answer that is about to be sent.
function cookies.clean_answer(lines)
    if type(lines) == "string" then
        lines = { lines }
    end
    local kept = {}
    for _, line in ipairs(lines) do
        kept[#kept + 1] = cookies.clean(line)
    end
    ngx.header["Set-Cookie"] = #kept > 0 and kept or nil
end

-- Same for the fast lane's answers; the gate has cleaned its own, which may carry the platform's cookies.
function cookies.clean_edge(lines)
    if not (ngx.var.upstream_addr or ""):find("gate%.sock$") then
        cookies.clean_answer(lines)
    end
end

return cookies

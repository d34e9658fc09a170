-- What a client presents to be let in, and how all of it is cut out before the app sees the request.
local config = require "reviewapps.config"

local credentials = {}

local SECURE, PLAIN = "__Host-reviewapps", "reviewapps"
local FORBIDDEN = { "^x%-reviewapps%-", "^x%-auth%-request%-" }

function credentials.is_secure()
    return ngx.var.http_x_forwarded_proto == "https"
end

-- The name of the platform's cookie; __Host- is bound to one host and to https by the browser.
function credentials.cookie_name()
    return credentials.is_secure() and SECURE or PLAIN
end

-- Splits a Cookie header into {name, text of the pair}.
local function pairs_of(header)
    local list = {}
    for part in (header .. ";"):gmatch("%s*(.-)%s*;") do
        if part ~= "" then
            list[#list + 1] = { name = part:match("^([^=]*)"):match("^%s*(.-)%s*$"), text = part }
        end
    end
    return list
end

local function is_ours(name)
    if name == SECURE or name == PLAIN then
        return true
    end
    local sign_in = config.sign_in_cookie
    return sign_in ~= "" and name:sub(1, #sign_in) == sign_in
end

-- The Cookie header without the platform's own cookies, nil when nothing is left.
function credentials.cut(header)
    local kept = {}
    for _, pair in ipairs(pairs_of(header)) do
        if not is_ours(pair.name) then
            kept[#kept + 1] = pair.text
        end
    end
    return #kept > 0 and table.concat(kept, "; ") or nil
end

local function basic_password()
    local encoded = (ngx.var.http_authorization or ""):match("^[Bb]asic%s+(%S+)$")
    local plain = encoded and ngx.decode_base64(encoded)
    return plain and plain:match("^[^:]*:(.*)$")
end
credentials.basic_password = basic_password

-- All credentials of this request: bypass header and cookie.
function credentials.presented()
    local list = { ngx.var.http_x_reviewapps_bypass }
    for _, pair in ipairs(pairs_of(ngx.var.http_cookie or "")) do
        if pair.name == credentials.cookie_name() then
            list[#list + 1] = pair.text:match("=(.*)$")
        end
    end
    return list
end

-- Removes every credential and every header of ours from the request that goes to the app.
function credentials.strip(used_basic)
    for name in pairs(ngx.req.get_headers(0)) do
        local lower = name:lower()
        for _, pattern in ipairs(FORBIDDEN) do
            if lower:find(pattern) then
                ngx.req.clear_header(name)
            end
        end
    end
    local cookie = ngx.var.http_cookie
    if cookie then
        local left = credentials.cut(cookie)
        if left then
            ngx.req.set_header("Cookie", left)
        else
            ngx.req.clear_header("Cookie")
        end
    end
    if used_basic then
        ngx.req.clear_header("Authorization")
    end
end

-- The Set-Cookie line that lets this browser in, or out with an empty value.
function credentials.cookie(value, seconds)
    local line = credentials.cookie_name() .. "=" .. value
        .. "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" .. seconds
    return credentials.is_secure() and line .. "; Secure" or line
end

return credentials

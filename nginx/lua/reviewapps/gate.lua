-- The gate: decides what becomes of a request that is not plainly for a running, public app.
-- In this order: is the host one of ours, may this client see the app, is the app there.
local access = require "reviewapps.access"
local config = require "reviewapps.config"
local credentials = require "reviewapps.credentials"
local hold = require "reviewapps.hold"
local host_names = require "reviewapps.host"
local machines = require "reviewapps.machines"
local pages = require "reviewapps.pages"
local routes = require "reviewapps.routes"
local seen = require "reviewapps.seen"
local sign_in = require "reviewapps.sign_in"
local store = require "reviewapps.store"
local wish = require "reviewapps.wish"

local gate = {}

local FIRST_SYNC = 3 -- seconds
local STILL = { paused = 503, destroying = 410 }

-- Finds the app that this request is for, or answers with what is wrong and does not return.
function gate.find()
    local name = ngx.var.host
    -- The edge says what was asked for (Host and SNI) when it was not plainly the same host.
    local asked, sni = (ngx.var.http_x_reviewapps_asked or name):match("^(%S*) ?(%S*)$")
    if not host_names.is_name(name) or not host_names.same(name, asked) then
        pages.bad_host()
    end
    if sni ~= "" and sni ~= name then
        pages.misdirected()
    end
    if not host_names.domain(config.domains, name) then
        pages.misdirected()
    end
    local entry = routes.find(name)
    -- A router that has just started waits a moment for its first answer from Consul.
    local deadline = ngx.now() + FIRST_SYNC
    while not entry and not store.state:get("synced") and ngx.now() < deadline do
        ngx.sleep(0.05)
        entry = routes.find(name)
    end
    if entry then
        return entry
    end
    if store.state:get("synced") then
        pages.unknown()
    end
    pages.not_ready()
end

-- Lets the request go on to the app that is served now.
local function forward(entry, used_basic)
    credentials.strip(used_basic)
    if ngx.var.http_upgrade then
        ngx.var.counted = entry.host
        seen.open(entry.host)
    end
    if not machines.kind(ngx.var.http_user_agent) then
        routes.activity[entry.host] = ngx.time()
    end
end

local function is_navigation()
    local method = ngx.req.get_method()
    if (method ~= "GET" and method ~= "HEAD") or ngx.var.http_upgrade then
        return false
    end
    local mode = ngx.var.http_sec_fetch_mode
    if mode and mode ~= "navigate" then
        return false
    end
    return (ngx.var.http_accept or ""):find("text/html", 1, true) ~= nil
end

-- The client may see the app: serve it, or wake it, hold the request, or tell the person.
local function admit(entry, used_basic)
    if routes.is_served(entry) then
        return forward(entry, used_basic)
    end
    local state = entry.record.state
    if STILL[state] or state == "failed" then
        return pages.state(entry, STILL[state] or 503)
    end
    local machine = machines.kind(ngx.var.http_user_agent)
    if machine then
        return pages.card(entry, machine)
    end
    if state == "asleep" then
        wish.wake(entry)
    end
    if is_navigation() then
        return pages.state(entry, 503)
    end
    local served, why = hold.until_served(ngx.var.host, config.hold_seconds)
    if served then
        return forward(served, used_basic)
    end
    return pages.state(routes.find(ngx.var.host) or entry, why == "changed" and 503 or 504)
end

local function password_given(entry)
    local password = credentials.basic_password()
    if not password then
        return false
    end
    return require("reviewapps.password").fits(entry, password)
end

-- Says what stands between the client and the app: "pass", "password", "sign-in" or "closed".
function gate.judge(entry)
    local verdict = access.decide(entry.record.access, credentials.presented(), ngx.time())
    local used_basic = false
    if verdict == "password" and password_given(entry) then
        verdict, used_basic = "pass", true
    end
    return verdict, used_basic
end

-- The access phase of the gate.
function gate.enter()
    if ngx.var.http_x_reviewapps_broken then
        return pages.broken(ngx.var.http_x_reviewapps_broken)
    end
    local entry = gate.find()
    local verdict, used_basic = gate.judge(entry)
    if verdict == "pass" then
        return admit(entry, used_basic)
    elseif verdict == "password" then
        return pages.password(entry)
    elseif verdict == "sign-in" and config.sign_in_address ~= "" then
        if ngx.var.uri:sub(1, 8) == "/oauth2/" then
            return ngx.exec("@oauth2")
        end
        -- A header and not a variable: the subrequest runs the server's `set` lines again.
        ngx.req.set_header("X-Reviewapps-Allowed", sign_in.allowed(entry.record.access))
        return ngx.exec("@signed_in")
    end
    return pages.closed(entry)
end

-- The access phase after the team's sign-in has said yes.
function gate.signed_in()
    local entry = gate.find()
    admit(entry)
    local given = {
        ["X-Auth-Request-User"] = ngx.var.sign_in_user,
        ["X-Auth-Request-Email"] = ngx.var.sign_in_email,
        ["X-Auth-Request-Groups"] = ngx.var.sign_in_groups,
    }
    for name, value in pairs(given) do
        if value and value ~= "" then
            ngx.req.set_header(name, value)
        end
    end
end

-- A second try after broken.lua has waited for another place.
function gate.again()
    local entry = gate.find()
    admit(entry)
end

function gate.leave()
    if ngx.var.counted ~= "" then
        seen.close(ngx.var.counted)
        ngx.var.counted = ""
    end
end

return gate

-- The paths below /.reviewapps/ on every app's host: status for the waiting page, password, share links.
local cjson = require "cjson.safe"
local access = require "reviewapps.access"
local credentials = require "reviewapps.credentials"
local gate = require "reviewapps.gate"
local pages = require "reviewapps.pages"
local password = require "reviewapps.password"
local routes = require "reviewapps.routes"
local store = require "reviewapps.store"

local platform = {}

local MONTH = 30 * 86400
local LONG_POLL = 20 -- seconds

local function redirect(to, cookie)
    ngx.header["Set-Cookie"] = cookie
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["Referrer-Policy"] = "no-referrer"
    return ngx.redirect(to, 303)
end

-- A path on this host and nothing else.
function platform.safe_path(to)
    if type(to) ~= "string" or to:sub(1, 1) ~= "/" or to:find("^/[/\\]") or to:find("[%c\\]") then
        return "/"
    end
    return to
end

local function report_of(entry)
    local report = pages.status_of(entry)
    report.served = routes.is_served(entry)
    report.seen = tostring(entry.record.state) .. "|" .. tostring(report.served) .. "|"
        .. ngx.md5(cjson.encode(report.steps))
    return report
end

-- What the waiting page asks: at once when something is new, else after a while.
local function status(entry)
    local after = ngx.var.arg_after and ngx.unescape_uri(ngx.var.arg_after)
    local report = report_of(entry)
    local deadline = ngx.now() + LONG_POLL
    while report.seen == after and ngx.now() < deadline and not ngx.worker.exiting() do
        ngx.sleep(0.1)
        entry = routes.find(ngx.var.host)
        if not entry then
            break
        end
        report = report_of(entry)
    end
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Cache-Control"] = "no-store"
    ngx.say(cjson.encode(report))
end

local function enter_password(entry)
    if ngx.req.get_method() ~= "POST" then
        return pages.password(entry)
    end
    ngx.req.read_body()
    local form = ngx.req.get_post_args(8) or {}
    local to = platform.safe_path(form.to)
    if entry.record.access.kind ~= "password" then
        return redirect(to)
    end
    if password.is_blocked(entry) then
        return pages.password(entry, true, true, to)
    end
    local key = type(form.password) == "string" and password.credential(entry, form.password)
    if not key then
        return pages.password(entry, true, false, to)
    end
    return redirect(to, credentials.cookie(key, MONTH))
end

local function share(entry, token)
    local to = platform.safe_path(ngx.var.arg_to and ngx.unescape_uri(ngx.var.arg_to))
    if entry.record.access.kind == "public" then
        return redirect(to)
    end
    if access.opens(entry.record.access, token, ngx.time()) then
        return redirect(to, credentials.cookie(token, MONTH))
    end
    store.count("share_refused")
    return pages.send({
        status = 403, state = "share-refused", title = "This link does not work any more",
        body = "<p>The share link has expired or was withdrawn.</p>",
        json = { error = "share-refused", message = "The share link has expired or was withdrawn." },
    })
end

local function is_allowed(entry)
    local verdict = gate.judge(entry)
    -- Sign-in is a subrequest that only a location can make: its waiting page polls by reloading.
    return verdict == "pass"
end

function platform.answer()
    local entry = gate.find()
    if type(entry.record.access) ~= "table" then
        return pages.closed(entry)
    end
    local path = ngx.var.uri:sub(#"/.reviewapps/" + 1)
    local token = path:match("^share/([%w_-]+)$")
    if token then
        return share(entry, token)
    elseif path == "password" then
        return enter_password(entry)
    elseif path == "leave" then
        return redirect("/", credentials.cookie("", 0))
    elseif path == "status" then
        if not is_allowed(entry) then
            ngx.status = 401
            ngx.header["Content-Type"] = "application/json"
            ngx.header["Cache-Control"] = "no-store"
            ngx.say('{"error":"sign-in"}')
            return
        end
        return status(entry)
    end
    return pages.send({
        status = 404, state = "no-such-page", title = "No such page",
        body = "<p>Paths below /.reviewapps/ belong to the platform.</p>",
        json = { error = "no-such-page" },
    })
end

return platform

-- What a client is told instead of an app: small pages without foreign parts, or JSON when asked for.
-- Right status codes, never cached, never indexed. Every text from outside is escaped.
local cjson = require "cjson.safe"
local config = require "reviewapps.config"
local store = require "reviewapps.store"
local words = require "reviewapps.words"

local pages = {}
local layout, waiting_script

function pages.load(folder)
    local function read(name)
        local file = assert(io.open(folder .. "/" .. name, "r"))
        local text = file:read("*a")
        file:close()
        return text
    end
    layout, waiting_script = read("page.html"), read("waiting.js")
end

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }
local function escape(text)
    return (tostring(text or ""):gsub("[&<>\"']", escapes))
end
pages.escape = escape

local function wants_html()
    return (ngx.var.http_accept or ""):find("text/html", 1, true) ~= nil
end

local function nonce()
    local parts = {}
    for _ = 1, 4 do
        parts[#parts + 1] = string.format("%08x", math.random(0, 4294967295))
    end
    return table.concat(parts)
end

local function age()
    local at = store.state:get("synced_at|routes") or store.state:get("synced_at|snapshot")
    return at and math.max(0, math.floor(ngx.now() - at)) or nil
end
pages.age = age

local function fill(values)
    return (layout:gsub("{{(%w+)}}", function(name)
        return values[name] or ""
    end))
end

local function headers(status, retry_after, state)
    ngx.status = status
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["X-Reviewapps-State"] = state
    ngx.header["X-Reviewapps-State-Age"] = age()
    ngx.header["Retry-After"] = retry_after
    ngx.header["Referrer-Policy"] = "no-referrer"
    ngx.header["X-Content-Type-Options"] = "nosniff"
    ngx.header["Vary"] = "Accept"
end

local function finish(text)
    if ngx.req.get_method() == "HEAD" then
        ngx.header["Content-Length"] = #text
        ngx.send_headers()
    else
        ngx.header["Content-Length"] = #text
        ngx.print(text)
    end
    return ngx.exit(ngx.HTTP_OK)
end

-- Sends one answer. options: status, state, title, body (HTML), head, foot, script, retry_after,
-- json (a table, its `error` is the machine's word), frame (extra attributes of <html>).
function pages.send(options)
    headers(options.status, options.retry_after, options.state)
    store.count("pages|" .. options.state)
    if not wants_html() then
        ngx.header["Content-Type"] = "application/json"
        return finish(cjson.encode(options.json) .. "\n")
    end
    local once = nonce()
    ngx.header["Content-Type"] = "text/html; charset=utf-8"
    ngx.header["Content-Security-Policy"] = "default-src 'none'; connect-src 'self'; form-action 'self'; "
        .. "base-uri 'none'; frame-ancestors 'none'; style-src 'nonce-" .. once
        .. "'; script-src 'nonce-" .. once .. "'"
    local html = fill({
        title = escape(options.title),
        head = options.head,
        body = options.body,
        foot = options.foot or escape(ngx.var.host),
        nonce = once,
        script = options.script and '<script nonce="' .. once .. '">' .. options.script .. "</script>",
    })
    if options.frame then
        html = html:gsub("<html ", "<html " .. options.frame .. " ", 1)
    end
    return finish(html)
end

local function plain(status, state, title, sentence, retry_after)
    return pages.send({
        status = status, state = state, title = title, retry_after = retry_after,
        body = "<p>" .. escape(sentence) .. "</p>",
        json = { error = state, message = sentence },
    })
end

function pages.bad_host()
    return plain(400, "bad-host", "This request names no host", "The host name is missing, malformed, "
        .. "or differs between the request line and the Host header.")
end

function pages.misdirected()
    return plain(421, "misdirected", "Not a host of this server",
        "This server answers for review apps under " .. table.concat(config.domains, ", ") .. " only.")
end

function pages.unknown()
    return plain(404, "unknown", "No review app here", "There is no review app of this name. "
        .. "It may have been removed, or its branch was never deployed.")
end

function pages.not_ready()
    return plain(503, "not-ready", "One moment", "The router has just started and does not know "
        .. "the review apps yet.", 2)
end

function pages.closed(entry)
    return plain(403, "closed", "This review app is closed",
        "Nobody is allowed to see " .. entry.host .. " in this way.")
end

function pages.status_of(entry)
    return words.status(entry, ngx.time())
end

local function step_items(steps)
    local items = {}
    for _, step in ipairs(steps) do
        items[#items + 1] = '<li class="' .. escape(step.state) .. '"><b>' .. escape(step.name)
            .. "</b><span>" .. escape(step.text) .. "</span></li>"
    end
    return #items > 0 and "<ul>" .. table.concat(items) .. "</ul>" or ""
end

-- The page of an app that is not served now: deploying, asleep, failed, paused, destroying.
function pages.state(entry, status)
    local report = pages.status_of(entry)
    local body = "<p data-status>" .. escape(report.sentence) .. "</p>"
    local script, head, retry_after
    if report.waits then
        retry_after = 3
        body = body .. '<div class="bar"><i></i></div>'
        script = waiting_script
        head = '<noscript><meta http-equiv="refresh" content="3"></noscript>'
    elseif status == 503 or status == 504 then
        retry_after = 60
    end
    if report.cause then
        body = body .. "<pre>" .. escape(report.cause) .. "</pre>"
    end
    body = body .. step_items(report.steps)
    return pages.send({
        status = status, state = report.state, title = report.title, body = body, head = head,
        script = script, retry_after = retry_after, foot = escape(words.foot(entry)), json = report,
        frame = 'data-state="' .. escape(report.state) .. '" data-waited="' .. report.waited_seconds .. '"',
    })
end

-- For machines that look by themselves: a card for link unfurlers, a short word for probes.
function pages.card(entry, machine)
    local report = pages.status_of(entry)
    local title = escape(report.title)
    return pages.send({
        status = machine == "unfurler" and 200 or 503, state = report.state, title = report.title,
        retry_after = machine ~= "unfurler" and 60 or nil,
        head = '<meta property="og:title" content="' .. title .. '">'
            .. '<meta property="og:type" content="website">'
            .. '<meta property="og:description" content="' .. escape(report.sentence) .. '">',
        body = "<p>" .. escape(report.sentence) .. "</p>",
        json = { error = report.state, message = report.sentence },
    })
end

-- The password form; `again` after a wrong one, `blocked` after too many; `to` is where it leads.
function pages.password(entry, again, blocked, to)
    local sentence = blocked and "Too many wrong passwords. Try again in a minute."
        or again and "That was not the password." or "This review app asks for a password."
    local here = to or ngx.var.request_uri
    if here:sub(1, 13) == "/.reviewapps/" then
        here = "/"
    end
    return pages.send({
        status = blocked and 429 or 401, state = "password", title = "Password needed",
        retry_after = blocked and 60 or nil,
        body = "<p>" .. sentence .. '</p><form method="post" action="/.reviewapps/password">'
            .. '<input type="hidden" name="to" value="' .. escape(here) .. '">'
            .. '<label for="password">Password</label>'
            .. '<input id="password" type="password" name="password" autocomplete="current-password" '
            .. 'required autofocus><button>Open</button></form>',
        foot = escape(entry.host),
        json = { error = "password", message = sentence },
    })
end

-- nginx itself could not get an answer, and nothing is left to try.
function pages.broken(status)
    local timed_out = tostring(status):find("504", 1, true)
    if timed_out then
        return plain(504, "app-slow", "The app does not answer",
            "The review app took too long to answer this request.")
    end
    return plain(502, "app-broken", "The app broke off",
        "The review app closed the connection before it had answered. "
        .. "The request may or may not have had an effect, so it was not repeated.")
end

return pages

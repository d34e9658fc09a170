-- The team's shared sign-in, in oauth2-proxy's words: auth_request asks, these answer a "no".
local config = require "reviewapps.config"
local pages = require "reviewapps.pages"

local sign_in = {}

-- The query that narrows who is let in: ?allowed_groups=…&allowed_emails=…
function sign_in.allowed(record_access)
    local parts = {}
    for _, name in ipairs({ "groups", "emails", "email_domains" }) do
        local list = record_access[name]
        if type(list) == "table" and #list > 0 then
            parts[#parts + 1] = "allowed_" .. name .. "=" .. ngx.escape_uri(table.concat(list, ","))
        end
    end
    return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

-- 401: a browser is sent to sign in and comes back here; a machine is told.
function sign_in.start()
    local method = ngx.req.get_method()
    local accepts_html = (ngx.var.http_accept or ""):find("text/html", 1, true)
    if (method == "GET" or method == "HEAD") and accepts_html then
        local here = ngx.var.http_x_forwarded_proto .. "://" .. ngx.var.http_host .. ngx.var.request_uri
        ngx.header["Cache-Control"] = "no-store"
        return ngx.redirect(config.sign_in_start .. "?rd=" .. ngx.escape_uri(here), 302)
    end
    return pages.send({
        status = 401, state = "sign-in", title = "Sign in needed", body = "",
        json = { error = "sign-in", message = "This review app asks for a sign-in." },
    })
end

function sign_in.refuse()
    return pages.send({
        status = 403, state = "not-allowed", title = "Not for this account",
        body = "<p>You are signed in, but this review app is not open to your account.</p>",
        json = { error = "not-allowed", message = "This account may not see this review app." },
    })
end

function sign_in.broken()
    return pages.send({
        status = 503, state = "sign-in-broken", title = "The sign-in does not answer", retry_after = 10,
        body = "<p>The team's sign-in service cannot be reached, so nobody can be let in right now.</p>",
        json = { error = "sign-in-broken", message = "The sign-in service cannot be reached." },
    })
end

return sign_in

-- What an app answers, looked at in the gate before anybody sees it.
-- An app whose record names an identity proves it with every answer: one without it comes from another
-- app on a reused address, so its headers are dropped here and its body in the next phase.
local cookies = require "reviewapps.cookies"
local routes = require "reviewapps.routes"
local store = require "reviewapps.store"

local answers = {}

local REFUSED = '{"error":"wrong-app","message":"Another app answered at the address of this one. '
    .. 'Its answer was not passed on."}\n'

local function refuse()
    store.count("identity_refused")
    ngx.ctx.refused = true
    for name in pairs(ngx.resp.get_headers(0)) do
        ngx.header[name] = nil
    end
    ngx.status = 502
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Content-Length"] = #REFUSED
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["X-Reviewapps-State"] = "wrong-app"
end

-- The header phase.
function answers.check()
    local from_app = ngx.var.upstream_header_time
    if not from_app or from_app == "-" then
        return -- a page of ours
    end
    local entry = routes.find(ngx.var.host)
    local identity = entry and entry.record.identity
    if type(identity) == "string" and ngx.var.upstream_http_x_reviewapps_app ~= identity then
        return refuse()
    end
    local lines = ngx.header["Set-Cookie"]
    if lines then
        cookies.clean_answer(lines)
    end
end

-- The body phase.
function answers.replace()
    if ngx.ctx.refused then
        ngx.arg[1] = ngx.ctx.replaced and "" or REFUSED
        ngx.ctx.replaced = true
        ngx.arg[2] = true
    end
end

return answers

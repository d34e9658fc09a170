-- HTTP to Consul over a cosocket: one request per connection, chunked bodies, a cap, a clean exit.
-- Written here because no HTTP client ships with both Debian's nginx and OpenResty.
local config = require "reviewapps.config"

local consul = {}

local SLICE = 0.5 -- seconds: how long a reload waits at most for a pending watch to notice it
local MAX_HEADERS = 100
local token_text
local token_read_at = 0

local function token()
    if not config.consul_token_file or config.consul_token_file == "" then
        return nil
    end
    if ngx.now() - token_read_at > 5 then
        local file = io.open(config.consul_token_file, "r")
        if file then
            token_text = (file:read(512) or ""):match("^%s*(%S+)%s*$")
            file:close()
        end
        token_read_at = ngx.now()
    end
    return token_text
end

local function connect()
    local sock = ngx.socket.tcp()
    sock:settimeouts(2000, 5000, SLICE * 1000)
    local ok, err
    if config.consul_address:sub(1, 5) == "unix:" then
        ok, err = sock:connect(config.consul_address)
    else
        local host, port = config.consul_address:match("^%[?(.-)%]?:(%d+)$")
        ok, err = sock:connect(host, tonumber(port))
    end
    if not ok then
        return nil, "connect: " .. err
    end
    return sock
end

-- Receives like sock:receive, in slices, until `deadline` or until this worker is told to go.
local function receive(sock, what, deadline)
    local parts = {}
    local left = what
    while true do
        local data, err, partial = sock:receive(left)
        if data then
            if #parts == 0 then
                return data
            end
            parts[#parts + 1] = data
            return table.concat(parts)
        end
        if err ~= "timeout" then
            return nil, err
        end
        if partial and #partial > 0 then
            parts[#parts + 1] = partial
            if type(left) == "number" then
                left = left - #partial
            end
        end
        if ngx.worker.exiting() then
            return nil, "exiting"
        end
        if ngx.now() > deadline then
            return nil, "timeout"
        end
    end
end

local function read_head(sock, deadline)
    local line, err = receive(sock, "*l", deadline)
    if not line then
        return nil, "status: " .. err
    end
    local status = tonumber(line:match("^HTTP/1%.[01] (%d%d%d)"))
    if not status then
        return nil, "status: not HTTP"
    end
    local headers = {}
    for _ = 1, MAX_HEADERS do
        line, err = receive(sock, "*l", deadline)
        if not line then
            return nil, "header: " .. err
        end
        if line == "" then
            return status, headers
        end
        local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
        if name then
            headers[name:lower()] = value
        end
    end
    return nil, "header: too many"
end

local function read_chunks(sock, deadline, limit)
    local parts, total = {}, 0
    while true do
        local line, err = receive(sock, "*l", deadline)
        local size = line and tonumber(line:match("^%x+"), 16)
        if not size then
            return nil, "chunk: " .. (err or "no size")
        end
        if size == 0 then
            receive(sock, "*l", deadline)
            return table.concat(parts)
        end
        total = total + size
        if total > limit then
            return nil, "body over " .. limit .. " bytes"
        end
        local data
        data, err = receive(sock, size, deadline)
        if not data then
            return nil, "chunk: " .. err
        end
        parts[#parts + 1] = data
        line, err = receive(sock, "*l", deadline)
        if line ~= "" then
            return nil, "chunk: " .. (err or "no end")
        end
    end
end

local function read_body(sock, headers, deadline, limit)
    if (headers["transfer-encoding"] or ""):lower() == "chunked" then
        return read_chunks(sock, deadline, limit)
    end
    local length = tonumber(headers["content-length"])
    if not length then
        return nil, "neither length nor chunks"
    end
    if length > limit then
        return nil, "body over " .. limit .. " bytes"
    end
    if length == 0 then
        return ""
    end
    return receive(sock, length, deadline)
end

-- Sends one request; returns {status, headers, body} or nil and what went wrong.
-- options: body, timeout (seconds for the whole answer), limit (bytes), head_only,
-- skip_body (a function of the headers).
function consul.request(method, path, options)
    options = options or {}
    local sock, err = connect()
    if not sock then
        return nil, err
    end
    local deadline = ngx.now() + (options.timeout or 5)
    local lines = {
        method .. " " .. path .. " HTTP/1.1",
        "Host: consul",
        "Connection: close",
        "Accept-Encoding: identity",
    }
    local secret = token()
    if secret then
        lines[#lines + 1] = "X-Consul-Token: " .. secret
    end
    if options.body then
        lines[#lines + 1] = "Content-Length: " .. #options.body
    end
    local sent
    sent, err = sock:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (options.body or ""))
    if not sent then
        sock:close()
        return nil, "send: " .. err
    end
    local status, headers = read_head(sock, deadline)
    if not status then
        sock:close()
        return nil, headers
    end
    local body
    if options.skip_body and options.skip_body(headers) then
        options.head_only = true
    end
    if not options.head_only then
        body, err = read_body(sock, headers, deadline, options.limit or 1048576)
        if not body then
            sock:close()
            return nil, "body: " .. err
        end
    end
    sock:close()
    return { status = status, headers = headers, body = body }
end

-- Writes a key; returns true or nil and what went wrong.
function consul.put(key, value)
    local answer, err = consul.request("PUT", "/v1/kv/" .. key, { body = value })
    if not answer then
        return nil, err
    end
    if answer.status ~= 200 then
        return nil, "status " .. answer.status
    end
    return true
end

return consul

-- The rest: names that no shard covers. While a table is sharded, one more blocking query lists the
-- names of its whole folder (no values: a quarter of what reading them costs) and tells of those that
-- nobody watches yet. It also says up to which index of Consul that is so.
local config = require "reviewapps.config"
local consul = require "reviewapps.consul"
local shards = require "reviewapps.shards"
local store = require "reviewapps.store"

local rest = {}

local ROUNDS = 20 -- then a new timer, as in watch.lua
local BODY_LIMIT = 64 * 1024 * 1024
-- After each listing, so that it costs Consul a twentieth of its time at most: it takes some 1.1 µs for
-- a name of 45 bytes.
local PAUSE_PER_BYTE, LONGEST_PAUSE = 5e-7, 5

local find, sub = string.find, string.sub

-- The names below `folder` in Consul's sorted list of keys that no watch covers. The names of one shard
-- stand together, so the end of each shard is searched for by halves: of ten thousand names some
-- hundred are looked at.
function rest.uncovered(body, folder, watches)
    local found = {}
    local mark = '"' .. folder

    local function is_in(shard, at)
        return sub(body, at + #mark, at + #mark + #shard - 1) == shard
    end

    local function last_of(shard, first)
        local last, beyond = first, #body + 1
        while beyond - last > 200 do
            local middle = math.floor((last + beyond) / 2)
            local at = find(body, mark, middle, true)
            if at and at < beyond and is_in(shard, at) then
                last = at
            else
                beyond = middle
            end
        end
        while true do
            local at = find(body, mark, last + 1, true)
            if not at or not is_in(shard, at) then
                return last
            end
            last = at
        end
    end

    local at = find(body, mark, 1, true)
    while at do
        local name = sub(body, at + #mark, find(body, '"', at + 1, true) - 1)
        local one = shards.find(watches, name)
        if one then
            at = last_of(one.shard, at)
        elseif name ~= "" then
            found[#found + 1] = name
        end
        at = find(body, mark, at + 1, true)
    end
    return found
end

-- One listing. Returns true, or nil and the error.
local function round(self)
    local wait = self.index > 0 and config.wait_seconds or 0
    local path = "/v1/kv/" .. self.folder .. "?keys"
    if self.index > 0 then
        path = path .. string.format("&index=%d&wait=%ds", self.index, wait)
    end
    local reply, err = consul.request("GET", path, {
        timeout = wait * 17 / 16 + config.answer_seconds,
        limit = BODY_LIMIT,
        skip_body = function(headers)
            return tonumber(headers["x-consul-index"]) == self.index
        end,
    })
    if not reply then
        return nil, err
    end
    local index = tonumber(reply.headers["x-consul-index"])
    if reply.headers["x-consul-knownleader"] ~= "true" or not index or index < 1 then
        return nil, "no known leader or no index"
    elseif reply.status ~= 200 and reply.status ~= 404 then
        return nil, "status " .. reply.status
    elseif index == self.index then
        return true
    end
    local body = reply.status == 200 and reply.body or ""
    for _, name in ipairs(rest.uncovered(body, self.folder, self.watches)) do
        self.cover(name)
    end
    self.index = index
    self.pause = math.min(LONGEST_PAUSE, math.max(0.01, #body * PAUSE_PER_BYTE))
    self.on_listed()
    return true
end

local function run(premature, self)
    for _ = 1, ROUNDS do
        if premature or ngx.worker.exiting() or self.watches[""] then
            self.index, self.is_running = 0, false -- one shard that covers everything leaves no rest
            return
        end
        self.pause = 0.01
        local fine, done, err = pcall(round, self)
        if not (fine and done) and not ngx.worker.exiting() then
            self.index = 0
            store.count("watch_errors")
            store.state:set("watch_error", "rest: " .. tostring(fine and err or done))
            self.pause = config.back_off_seconds * (0.5 + math.random() / 2)
        end
        local over = ngx.now() + self.pause
        repeat -- in slices: a worker that is told to go does not linger
            ngx.sleep(math.max(0.001, math.min(0.5, over - ngx.now())))
        until ngx.now() >= over or ngx.worker.exiting()
    end
    if not ngx.worker.exiting() then
        ngx.timer.at(0, run, self)
    end
end

-- Lists `folder` for as long as {prefix -> watch} has no shard "". Calls cover(name) for each name
-- without a watch, then on_listed(); `index` is Consul's index of the last listing, 0 before the first.
function rest.new(folder, watches, cover, on_listed)
    return { folder = folder, watches = watches, cover = cover, on_listed = on_listed, index = 0 }
end

function rest.start(self)
    if not self.is_running then
        self.is_running = true
        ngx.timer.at(0, run, self)
    end
end

return rest

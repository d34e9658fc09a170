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
local SLICE = 2000 -- names between two pauses: other requests are not kept waiting
-- After each listing, so that it costs Consul a twentieth of its time at most (1.1 µs for each name).
local PAUSE_PER_NAME, LONGEST_PAUSE = 22e-6, 5

-- The names in a list of keys that no watch covers, and how many there are in all.
local function uncovered(self, body)
    local found, number = {}, 0
    for key in body:gmatch('"([^"]*)"') do
        local name = key:sub(#self.folder + 1)
        if name ~= "" and key:sub(1, #self.folder) == self.folder
            and not shards.find(self.watches, name) then
            found[#found + 1] = name
        end
        number = number + 1
        if number % SLICE == 0 then
            ngx.sleep(0.001)
        end
    end
    return found, number
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
    local names, number = uncovered(self, reply.status == 200 and reply.body or "")
    for _, name in ipairs(names) do
        self.cover(name)
    end
    self.index = index
    self.pause = math.min(LONGEST_PAUSE, math.max(0.01, number * PAUSE_PER_NAME))
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
        ngx.sleep(self.pause)
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

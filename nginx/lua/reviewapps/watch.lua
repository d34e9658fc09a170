-- The watch: one blocking query after another on one prefix, by worker 0, for as long as it lives.
-- Every rule here answers a measured failure; docs/router.md, "The watch", lists them.
local answer = require "reviewapps.answer"
local config = require "reviewapps.config"
local consul = require "reviewapps.consul"
local kept = require "reviewapps.kept"
local store = require "reviewapps.store"

local watch = {}

local ROUNDS = 20 -- then a new timer: one handler for ever would never give its memory back
local BODY_LIMIT = 256 * 1024 * 1024
local PAUSE_PER_ROW = 5e-6 -- seconds
-- Consul wakes a watch on nothing at every write nearby, and says then that nothing is there still.
local EMPTY_PAUSE = 0.05

local function query(self, index, consistent)
    local wait = index > 0 and config.wait_seconds or 0
    local path = "/v1/kv/" .. self.folder .. self.shard .. "?recurse=true"
    if index > 0 then
        path = path .. string.format("&index=%d&wait=%ds", index, wait)
    end
    if consistent then
        path = path .. "&consistent"
    end
    local reply, err = consul.request("GET", path, {
        timeout = wait * 17 / 16 + config.answer_seconds,
        limit = BODY_LIMIT,
        -- The whole wait passed and nothing is new: the body need not be read.
        skip_body = function(headers)
            return index > 0 and tonumber(headers["x-consul-index"]) == index
                and headers["x-consul-knownleader"] == "true"
        end,
    })
    if not reply then
        return nil, err
    end
    if not reply.body then
        return { index = index, number = 0 }
    end
    return answer.read(reply)
end

local function forget(err, self)
    self.index = 0 -- after any error: an index from before a data loss would block the whole wait
    self.errors = self.errors + 1
    store.count("watch_errors")
    store.state:set("watch_error", self.name .. ": " .. err)
    self.on_error(self)
end

-- An answer, asked for twice when it goes backwards or loses too much at once.
local function believed(self)
    local reply, err = query(self, self.index)
    if not reply or reply.index == self.index then
        return reply, err
    end
    if reply.index < self.index then
        store.count("index_resets")
        reply, err = query(self, 0)
        if not reply then
            return nil, err
        end
    end
    local changed, gone, now, before = answer.compare(reply, self.folder, self.known)
    if answer.is_suspicious(gone, before - self.kept.count) then
        store.count("suspicious_answers")
        reply, err = query(self, 0, true)
        if not reply then
            return nil, err
        end
        changed, gone, now = answer.compare(reply, self.folder, self.known)
    end
    reply.changed, reply.gone, reply.now = changed, gone, now
    return reply
end

local function names_of(changed)
    local names = {}
    for name in pairs(changed) do
        names[#names + 1] = name
    end
    return names
end

-- One round: ask, believe or not, apply. Returns true, or nil and the error.
local function round(self)
    local reply, err = believed(self)
    if not reply or self.stopped then
        return nil, err
    end
    local nothing_new = reply.index == self.index
    if nothing_new and self.kept.count == 0 then
        return true
    end
    if nothing_new then
        -- Only the time of what is kept may have passed.
        reply.changed, reply.gone, reply.now = {}, names_of(self.kept.until_time), {}
        for name, index in pairs(self.known) do
            reply.now[name] = not self.kept.until_time[name] and index or nil
        end
    end
    local really = kept.sift(self.kept, reply.gone, reply.index < self.highest, ngx.now())
    kept.forget(self.kept, names_of(reply.changed))
    kept.forget(self.kept, really)
    local ok
    ok, err = self.apply(self, reply.changed, really, reply.index)
    if not ok then
        return nil, err
    end
    for name in pairs(self.kept.until_time) do
        reply.now[name] = 0
    end
    local was_empty = next(self.known) == nil
    self.known = reply.now
    self.index, self.highest = reply.index, reply.index
    self.on_applied(self, was_empty and next(self.known) == nil)
    -- Let a burst of writes become one read, in proportion to what a read costs.
    self.pause = math.min(0.2, reply.number * PAUSE_PER_ROW)
    return true
end

local function synced(self)
    self.errors = 0
    self.synced_at = ngx.now()
    self.on_synced(self)
    if next(self.known) == nil then
        self.pause = EMPTY_PAUSE
        self.empty_since = self.empty_since or self.synced_at
    else
        self.empty_since = nil
    end
end

local function run(premature, self)
    for _ = 1, ROUNDS do
        if premature or ngx.worker.exiting() or self.stopped then
            return
        end
        self.pause = 0
        local fine, done, err = pcall(round, self)
        if fine and done then
            synced(self)
        elseif ngx.worker.exiting() or self.stopped then
            return
        else
            forget(tostring(fine and err or done), self)
            local back_off = math.min(config.back_off_seconds, 0.1 * 2 ^ math.min(self.errors, 10))
            self.pause = back_off * (0.5 + math.random() / 2)
        end
        if self.pause >= 0.001 then -- a shorter sleep is sleep(0), which Debian's nginx minds
            ngx.sleep(self.pause)
        end
    end
    if not ngx.worker.exiting() then
        ngx.timer.at(0, run, self)
    end
end

-- Starts watching `folder .. shard`; `known` {name -> index} is what the shared table holds already and
-- `highest` the index it came from. Calls apply(self, changed, gone, index) with what differs.
-- A watch that is `stopped` changes nothing any more, not even with an answer that is on its way.
function watch.start(self)
    self.index, self.errors = 0, 0
    self.kept = self.kept or kept.new(config.keep_seconds)
    local ok, err = ngx.timer.at(0, run, self)
    if not ok then
        ngx.log(ngx.ERR, "cannot start a watch: ", err)
    end
    return self
end

return watch

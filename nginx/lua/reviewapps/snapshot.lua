-- The last good tables on disk, so that a router that starts while Consul is down still serves.
local cjson = require "cjson.safe"
local config = require "reviewapps.config"
local store = require "reviewapps.store"
local version = require "reviewapps.version"

local snapshot = {}

local EVERY = 2 -- seconds between two looks
local SHARE = 20 -- a write comes twenty times as long after the last one as that took
local CHUNK = 500 -- entries between two pauses: other requests are not kept waiting
local is_due = false
local not_before = 0

function snapshot.due()
    is_due = true
end

local function write_table(file, name)
    local dict = store[name]
    for number, key in ipairs(dict:get_keys(0)) do
        local value = dict:get(key)
        if value then
            file:write(cjson.encode({ name, key, value }), "\n")
        end
        if number % CHUNK == 0 then
            ngx.sleep(0.001)
        end
    end
end

local function write()
    local temporary = config.snapshot_path .. ".new"
    local file, err = io.open(temporary, "w")
    if not file then
        return nil, err
    end
    file:write(cjson.encode({ "at", ngx.now() }), "\n")
    for _, name in ipairs({ "routes", "hosts" }) do
        file:write(cjson.encode({ "highest", name, store.state:get("highest|" .. name) or 0 }), "\n")
    end
    write_table(file, "routes")
    write_table(file, "hosts")
    local ok
    ok, err = file:write('["end"]\n')
    file:close()
    if not ok then
        return nil, err
    end
    return os.rename(temporary, config.snapshot_path)
end

local function run(premature)
    for _ = 1, 50 do
        if premature or ngx.worker.exiting() then
            return
        end
        if is_due and ngx.now() >= not_before then
            is_due = false
            local began = ngx.now()
            local fine, ok, err = pcall(write)
            ngx.update_time()
            not_before = ngx.now() + SHARE * (ngx.now() - began)
            if not fine or not ok then
                store.count("snapshot_errors")
                ngx.log(ngx.WARN, "snapshot: ", fine and err or ok)
            end
        end
        ngx.sleep(EVERY)
    end
    ngx.timer.at(0, run)
end

function snapshot.start()
    ngx.timer.at(EVERY, run)
end

-- Loads the file into empty tables; a file without its last line is not believed.
function snapshot.load()
    local file = io.open(config.snapshot_path, "r")
    if not file then
        return false
    end
    local rows, complete, at = {}, false, nil
    for line in file:lines() do
        local row = cjson.decode(line)
        if type(row) ~= "table" then
            break
        elseif row[1] == "end" then
            complete = true
        elseif row[1] == "at" then
            at = row[2]
        else
            rows[#rows + 1] = row
        end
    end
    file:close()
    if not complete then
        return false
    end
    for _, row in ipairs(rows) do
        if row[1] == "highest" then
            store.state:set("highest|" .. row[2], row[3])
        elseif row[1] == "routes" or row[1] == "hosts" then
            store[row[1]]:safe_set(row[2], row[3])
        end
    end
    store.state:set("synced_at|snapshot", at)
    store.state:set("from_snapshot", true)
    return true
end

-- Consul does not answer: what was loaded is the best there is. Until then nothing is served from it,
-- because a route in it may have been withdrawn while this router was down.
function snapshot.trust()
    if store.state:get("from_snapshot") and not store.state:get("synced") then
        store.state:set("synced", true)
        version.move(store.state)
    end
end

return snapshot

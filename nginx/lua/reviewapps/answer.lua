-- What a recursive KV read says: judged, taken apart, and compared with what was known. Pure.
local cjson = require "cjson.safe"

local find, sub, byte = string.find, string.sub, string.byte

local answer = {}

-- Where `"name":` of the row that starts at `from` ends; nil when the row has no such field.
local function field(body, name, from, row_end)
    local _, at = find(body, name, from, true)
    if not at or at > row_end then
        return nil
    end
    repeat
        at = at + 1
    until byte(body, at) ~= 32 -- Consul in development writes a space here
    return at
end

-- The keys and indexes of a list of rows, without decoding it: of a thousand rows usually one is new.
-- Values are left where they are. Returns nil for whatever does not look exactly like Consul's list.
local function scan(body)
    if find(body, "\\", 1, true) then
        return nil -- no host and no base64 has one: let the JSON parser look at it
    end
    local keys, indexes, starts, number = {}, {}, {}, 0
    local from = 1
    while true do
        local start = find(body, "{", from, true)
        if not start then
            break
        end
        local row_end = find(body, "}", start, true)
        local key = row_end and field(body, '"Key":', start, row_end)
        local modify = key and field(body, '"ModifyIndex":', key, row_end)
        local close = modify and byte(body, key) == 34 and find(body, '"', key + 1, true)
        if not close or close > modify then
            return nil
        end
        local index, digit = 0, byte(body, modify)
        while digit and digit >= 48 and digit <= 57 do
            index = index * 10 + digit - 48
            modify = modify + 1
            digit = byte(body, modify)
        end
        if index == 0 then
            return nil
        end
        number = number + 1
        keys[number], indexes[number], starts[number] = sub(body, key + 1, close - 1), index, close
        from = row_end + 1
    end
    if number == 0 or not find(body, "^%s*%]%s*$", from) then
        return nil
    end
    return { keys = keys, indexes = indexes, starts = starts, number = number, body = body }
end

local function decode(body)
    local rows = cjson.decode(body)
    if type(rows) ~= "table" or #rows == 0 then
        return nil
    end
    local read = { keys = {}, indexes = {}, values = {}, number = #rows }
    for number, row in ipairs(rows) do
        local index = type(row) == "table" and tonumber(row.ModifyIndex)
        if not index or type(row.Key) ~= "string" then
            return nil
        end
        read.keys[number], read.indexes[number], read.values[number] = row.Key, index, row.Value
    end
    return read
end

local function value_of(read, number)
    if read.values then
        return type(read.values[number]) == "string" and read.values[number] or nil
    end
    return read.body:match('^[^}]-"Value":%s*"([^"]*)"', read.starts[number] + 1)
end

-- Returns {index, number of rows, …} of a Consul answer, or nil and why it is not to be believed.
function answer.read(reply)
    local headers = reply.headers
    if headers["x-consul-knownleader"] ~= "true" then
        return nil, "no known leader"
    end
    local index = tonumber(headers["x-consul-index"])
    if not index or index < 1 or index % 1 ~= 0 then
        return nil, "no index"
    end
    if reply.status == 404 then
        return { index = index, number = 0 } -- an empty prefix is an answer, not an error
    end
    if reply.status ~= 200 then
        return nil, "status " .. reply.status
    end
    -- Consul says 404 for an empty prefix: an empty list, or an object, is not from Consul.
    local read = find(reply.body, "^%s*%[") and (scan(reply.body) or decode(reply.body))
    if not read then
        return nil, "body is not a list of keys"
    end
    read.index = index
    return read
end

-- Compares what was read with what is known {name -> ModifyIndex}. `prefix` is cut from the keys.
-- Returns changed {name -> {Value (base64), ModifyIndex}}, gone {names}, the new `known` and the
-- number known before.
function answer.compare(read, prefix, known)
    local changed, gone, now, before = {}, {}, {}, 0
    local length = #prefix
    for number = 1, read.number do
        local key, index = read.keys[number], read.indexes[number]
        local name = sub(key, length + 1)
        if name ~= "" and sub(key, 1, length) == prefix then
            now[name] = index
            if known[name] ~= index then
                changed[name] = { Value = value_of(read, number), ModifyIndex = index }
            end
        end
    end
    for name in pairs(known) do
        before = before + 1
        if not now[name] then
            gone[#gone + 1] = name
        end
    end
    return changed, gone, now, before
end

-- Says whether so many names vanished at once that the answer needs a second witness.
function answer.is_suspicious(gone, before)
    return before > 10 and #gone * 2 > before
end

return answer

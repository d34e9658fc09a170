-- What a recursive KV read says: judged, decoded, and compared with what was known. Pure.
local cjson = require "cjson.safe"

local answer = {}

-- Returns {index, rows} of a Consul answer, or nil and why it is not to be believed.
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
        return { index = index, rows = {} } -- an empty prefix is an answer, not an error
    end
    if reply.status ~= 200 then
        return nil, "status " .. reply.status
    end
    -- Consul says 404 for an empty prefix: an empty list, or an object, is not from Consul.
    local rows = reply.body:find("^%s*%[") and cjson.decode(reply.body)
    if type(rows) ~= "table" or #rows == 0 then
        return nil, "body is not a list of keys"
    end
    for _, row in ipairs(rows) do
        if type(row) ~= "table" or type(row.Key) ~= "string" or not tonumber(row.ModifyIndex) then
            return nil, "body is not a list of keys"
        end
    end
    return { index = index, rows = rows }
end

-- Compares rows with what is known {name -> ModifyIndex}. `prefix` is cut from the keys.
-- Returns changed {name -> row}, gone {names}, the new `known` and the number known before.
function answer.compare(rows, prefix, known)
    local changed, gone, now, before = {}, {}, {}, 0
    for _, row in ipairs(rows) do
        local name = row.Key:sub(#prefix + 1)
        if row.Key:sub(1, #prefix) == prefix and name ~= "" then
            local index = tonumber(row.ModifyIndex)
            now[name] = index
            if known[name] ~= index then
                changed[name] = row
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

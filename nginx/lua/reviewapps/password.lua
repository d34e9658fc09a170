-- The password form, and how often a client may try.
local access = require "reviewapps.access"
local store = require "reviewapps.store"

local password = {}

local TRIES, WINDOW = 10, 60 -- per client and host; then only waiting helps

-- Says whether this client has tried too often already.
function password.is_blocked(entry)
    local key = "tries|" .. entry.host .. "|" .. ngx.var.remote_addr
    return (store.state:get(key) or 0) >= TRIES
end

-- The credential that a right password gives, or nil.
function password.credential(entry, text)
    if password.is_blocked(entry) then
        return nil
    end
    local key = access.key_of_password(entry.record.access, text)
    if key and access.opens(entry.record.access, key, ngx.time()) then
        return key
    end
    store.state:incr("tries|" .. entry.host .. "|" .. ngx.var.remote_addr, 1, 0, WINDOW)
    store.count("password_refused")
    return nil
end

-- The same for basic authentication, where the password comes with every request: remembered for a
-- minute under its hash with the salt, because PBKDF2 is slow on purpose.
function password.fits(entry, text)
    local digest = require "reviewapps.digest"
    local record_access = entry.record.access
    local key = "basic|" .. digest.sha256(
        tostring(record_access.key_sha256) .. "|" .. tostring(record_access.salt) .. "|" .. text)
    if store.state:get(key) then
        return true
    end
    if password.credential(entry, text) then
        store.state:set(key, true, 60)
        return true
    end
    return false
end

return password

-- Who may see an app: public, a password, or the team's sign-in; share links and bypass tokens open both.
-- Every credential is checked the same way: its SHA-256 stands in the host record. Nothing that opens an
-- app is stored anywhere, and removing the hash revokes it at once.
local digest = require "reviewapps.digest"

local access = {}

local MAX_ITERATIONS = 200000
local MAX_CREDENTIAL = 256

local function opens(record_access, credential, now)
    if type(credential) ~= "string" or credential == "" or #credential > MAX_CREDENTIAL then
        return false
    end
    local hash = digest.sha256(credential)
    local found = false
    -- No early end: how long this takes says nothing about which hash is near.
    if type(record_access.key_sha256) == "string" then
        found = digest.equal(hash, record_access.key_sha256) or found
    end
    if type(record_access.grants) == "table" then
        for _, grant in ipairs(record_access.grants) do
            local expires = type(grant) == "table" and tonumber(grant.expires) or 0
            if type(grant) == "table" and type(grant.sha256) == "string" then
                local alive = expires == 0 or expires > now
                found = (digest.equal(hash, grant.sha256) and alive) or found
            end
        end
    end
    return found
end
access.opens = opens

-- The credential that a password gives, to be kept in the cookie; nil when no password is set.
function access.key_of_password(record_access, password)
    local iterations = tonumber(record_access.iterations)
    if record_access.kind ~= "password" or type(record_access.salt) ~= "string"
        or not iterations or iterations < 1 or iterations > MAX_ITERATIONS
        or #password == 0 or #password > 1024 then
        return nil
    end
    return digest.key(password, record_access.salt, iterations)
end

-- What stands between this request and the app: "pass", "password", "sign-in" or "closed".
-- `credentials` is a list of texts that the client presented.
function access.decide(record_access, credentials, now)
    if type(record_access) ~= "table" then
        return "closed"
    end
    if record_access.kind == "public" then
        return "pass"
    end
    if record_access.kind ~= "password" and record_access.kind ~= "sign-in" then
        return "closed"
    end
    for _, credential in ipairs(credentials) do
        if opens(record_access, credential, now) then
            return "pass"
        end
    end
    return record_access.kind
end

return access

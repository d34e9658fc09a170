-- SHA-256, PBKDF2 and comparison in constant time, from the libcrypto that nginx itself is linked with.
local ffi = require "ffi"

ffi.cdef [[
unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *out);
const void *EVP_sha256(void);
int PKCS5_PBKDF2_HMAC(const char *password, int password_length, const unsigned char *salt,
                      int salt_length, int iterations, const void *digest, int length,
                      unsigned char *out);
]]

local digest = {}
local SIZE = 32
local out = ffi.new("unsigned char[?]", SIZE)

local function hex(binary)
    return (binary:gsub(".", function(byte)
        return string.format("%02x", byte:byte())
    end))
end
digest.hex = hex

-- SHA-256 of `text` as hex.
function digest.sha256(text)
    ffi.C.SHA256(text, #text, out)
    return hex(ffi.string(out, SIZE))
end

-- The key that a password gives with this salt (hex) and number of iterations, as hex.
function digest.key(password, salt, iterations)
    local raw = salt:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end)
    local fine = ffi.C.PKCS5_PBKDF2_HMAC(
        password, #password, raw, #raw, iterations, ffi.C.EVP_sha256(), SIZE, out)
    assert(fine == 1, "PBKDF2 failed")
    return hex(ffi.string(out, SIZE))
end

-- Says whether two texts are equal, in a time that depends on their lengths only.
function digest.equal(left, right)
    if #left ~= #right then
        return false
    end
    local difference = 0
    for position = 1, #left do
        difference = bit.bor(difference, bit.bxor(left:byte(position), right:byte(position)))
    end
    return difference == 0
end

return digest

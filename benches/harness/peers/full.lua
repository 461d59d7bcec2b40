-- The gateway's work in nginx: the session token from its cookie, algorithm and time, both counters, who is asking.
local ffi = require "ffi"
local cjson = require "cjson.safe"
local decoded = require("ngx.base64").decode_base64url
local lrucache = require "resty.lrucache"
ffi.cdef [[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *evp, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *md, unsigned int *len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]
local crypto = ffi.load "crypto"
local sha256 = crypto.EVP_sha256()
local digest, length = ffi.new "unsigned char[32]", ffi.new "unsigned int[1]"
local verified = lrucache.new(10000)
local gate = {}

local function refuse(status)
    ngx.exit(status)
end

local function claims(token, secret)
    local header, payload, signature = token:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$"
    if not header then return nil end
    local head = cjson.decode(decoded(header) or "")
    if not head or head.alg ~= "HS256" then return nil end
    local given = decoded(signature)
    if not given or #given ~= 32 then return nil end
    local signed = header .. "." .. payload
    crypto.HMAC(sha256, secret, #secret, signed, #signed, digest, length)
    if crypto.CRYPTO_memcmp(digest, given, 32) ~= 0 then return nil end
    local body = cjson.decode(decoded(payload) or "")
    if not body or type(body.exp) ~= "number" or body.exp <= ngx.time() then return nil end
    return body
end

-- A token that was verified is believed again until it expires.
local function known(token, secret)
    local body = verified:get(token)
    if not body then
        body = claims(token, secret)
        if body then verified:set(token, body, body.exp - ngx.time()) end
    end
    return body
end

local function take(buckets, key, limit)
    local count = buckets:incr(key, 1, 0, 60) or 0
    return limit - count
end

function gate.check(secret, cached)
    local token = ngx.var.cookie_pm_session
    local body = token and (cached and known or claims)(token, secret)
    local buckets = ngx.shared.buckets
    local left = take(buckets, "ip:" .. ngx.var.binary_remote_addr, 1000000000)
    if not body then return refuse(401) end
    left = math.min(left, take(buckets, "user:" .. body.sub, 1000000000))
    if left < 0 then return refuse(429) end
    ngx.var.user_id = body.sub
    ngx.var.user_hash = body.sub:sub(1, 8)
    ngx.var.limit = 1000000000
    ngx.var.left = left
end

return gate

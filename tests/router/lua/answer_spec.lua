local answer = require "reviewapps.answer"

local function reply(changes)
    local found = {
        status = 200,
        headers = { ["x-consul-knownleader"] = "true", ["x-consul-index"] = "12" },
        body = '[{"Key":"p/routes/a","Value":"eA==","ModifyIndex":7}]',
    }
    for name, value in pairs(changes or {}) do
        found[name] = value
    end
    return found
end

local function headers(leader, index)
    return { ["x-consul-knownleader"] = leader, ["x-consul-index"] = index }
end

describe("answer", function()
    it("reads what Consul says", function()
        local read = answer.read(reply())
        assert.equal(12, read.index)
        assert.equal(1, read.number)
        local changed = answer.compare(read, "p/routes/", {})
        assert.same({ a = { Value = "eA==", ModifyIndex = 7 } }, changed)
    end)

    it("takes 404 for an empty prefix", function()
        assert.same({ index = 12, number = 0 }, answer.read(reply({ status = 404, body = "" })))
    end)

    it("does not believe anything else", function()
        for _, changes in ipairs({
            { status = 500 }, { status = 200, body = "" }, { body = "[]" },
            { body = "{}" }, { body = "null" },
            { body = '{"a":1}' }, { body = "[1]" }, { body = '[{"Key":"a"}]' }, { body = "[{" },
            { headers = headers("false", "12") }, { headers = headers(nil, "12") },
            { headers = headers("true", "0") }, { headers = headers("true", "x") },
            { headers = headers("true", nil) }, { headers = headers("true", "1.5") },
            { status = 404, headers = headers("false", "12") },
        }) do
            assert.is_nil((answer.read(reply(changes))))
        end
    end)

    local ROWS = [==[
[
    {"LockIndex": 0, "Key": "p/", "Flags": 0, "Value": null, "CreateIndex": 1, "ModifyIndex": 6},
    {"LockIndex": 0, "Key": "p/a", "Flags": 0, "Value": "eA==", "CreateIndex": 1, "ModifyIndex": 1},
    {"LockIndex":0,"Key":"p/b","Flags":0,"Value":"eQ==","CreateIndex":1,"ModifyIndex":5},
    {"LockIndex":0,"Key":"p/c","Flags":0,"Value":null,"CreateIndex":1,"ModifyIndex":6},
    {"LockIndex":0,"Key":"other/x","Flags":0,"Value":"eA==","CreateIndex":1,"ModifyIndex":9}
]
]==]

    local function check(body)
        local read = answer.read(reply({ body = body }))
        local changed, gone, now, before = answer.compare(read, "p/", { a = 1, b = 2, d = 3 })
        assert.same({ b = { Value = "eQ==", ModifyIndex = 5 }, c = { ModifyIndex = 6 } }, changed)
        assert.same({ "d" }, gone)
        assert.same({ a = 1, b = 5, c = 6 }, now)
        assert.equal(3, before)
    end

    it("tells what changed and what is gone", function()
        check(ROWS)
    end)

    it("reads the same when the fields stand in another order, or escapes make it parse", function()
        check((ROWS:gsub('"LockIndex":%s*0,%s*("Key":%s*"[^"]+"),(.-)}', '"Lock":"\\u0041",%1,%2}')))
        check((ROWS:gsub('("Key":%s*"[^"]+"),(.-)("ModifyIndex":%s*%d+)', "%3,%2%1")))
    end)

    it("never takes one row's index for another's", function()
        for _, body in ipairs({
            '[{"Key":"p/a"},{"ModifyIndex":3}]', '[{"Key":"p/a"},{"Key":"p/b","ModifyIndex":3}]',
            '[{"Key":"p/a","ModifyIndex":3},', '[{"Key":"p/a","ModifyIndex":3}] x',
            '[{"Key":7,"ModifyIndex":3}]', '[{"Key":"p/a","ModifyIndex":"x"}]',
        }) do
            assert.is_nil((answer.read(reply({ body = body }))), body)
        end
    end)

    it("finds it suspicious when more than half of more than ten vanish", function()
        assert.is_true(answer.is_suspicious({ 1, 2, 3, 4, 5, 6 }, 11))
        assert.is_false(answer.is_suspicious({ 1, 2, 3, 4, 5 }, 11))
        assert.is_false(answer.is_suspicious({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 10))
    end)
end)

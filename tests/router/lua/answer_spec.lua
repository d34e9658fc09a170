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
        assert.equal("p/routes/a", read.rows[1].Key)
    end)

    it("takes 404 for an empty prefix", function()
        assert.same({ index = 12, rows = {} }, answer.read(reply({ status = 404, body = "" })))
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

    it("tells what changed and what is gone", function()
        local rows = {
            { Key = "p/a", ModifyIndex = 1 }, { Key = "p/b", ModifyIndex = 5 },
            { Key = "p/c", ModifyIndex = 6 },
            { Key = "p/", ModifyIndex = 6 }, { Key = "other/x", ModifyIndex = 9 },
        }
        local changed, gone, now, before = answer.compare(rows, "p/", { a = 1, b = 2, d = 3 })
        assert.same({ b = rows[2], c = rows[3] }, changed)
        assert.same({ "d" }, gone)
        assert.same({ a = 1, b = 5, c = 6 }, now)
        assert.equal(3, before)
    end)

    it("finds it suspicious when more than half of more than ten vanish", function()
        assert.is_true(answer.is_suspicious({ 1, 2, 3, 4, 5, 6 }, 11))
        assert.is_false(answer.is_suspicious({ 1, 2, 3, 4, 5 }, 11))
        assert.is_false(answer.is_suspicious({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 10))
    end)
end)

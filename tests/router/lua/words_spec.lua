local words = require "reviewapps.words"

local function entry(record)
    return { host = "shop.localhost", record = record }
end

describe("words", function()
    it("reads times as Consul holds them", function()
        assert.equal(0, words.seconds("1970-01-01T00:00:00Z"))
        assert.equal(951782400, words.seconds("2000-02-29T00:00:00Z"))
        assert.equal(1795255650, words.seconds("2026-11-21T10:07:30.221Z"))
        assert.is_nil(words.seconds("yesterday"))
        assert.is_nil(words.seconds(nil))
    end)

    it("estimates what is left and says when it takes longer", function()
        local record = { state = "deploying", since = "1970-01-01T00:00:00Z", estimate_seconds = 40 }
        assert.truthy(words.status(entry(record), 10).sentence:find("About 30 s to go", 1, true))
        assert.truthy(words.status(entry(record), 100).sentence:find("longer than the usual 40 s", 1, true))
        record.estimate_seconds = nil
        assert.is_nil(words.status(entry(record), 10).sentence:find(" s ", 1, true))
    end)

    it("shows the cause of a failed app only", function()
        assert.equal("boom", words.status(entry({ state = "failed", cause = "boom" }), 0).cause)
        assert.is_nil(words.status(entry({ state = "deploying", cause = "boom" }), 0).cause)
    end)

    it("survives records of any form", function()
        for _, record in ipairs({
            {}, { state = 7 }, { state = "running", steps = "x" },
            { steps = { 1, { name = {}, state = "done" } } },
            { state = "failed", cause = {} }, { since = {}, estimate_seconds = "soon", branch = 5 },
        }) do
            local report = words.status(entry(record), 100)
            assert.equal("string", type(report.sentence))
            assert.same({}, report.steps)
            assert.equal("string", type(words.foot(entry(record))))
        end
    end)
end)

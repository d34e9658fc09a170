local kept = require "reviewapps.kept"
local shards = require "reviewapps.shards"

describe("shards", function()
    it("covers every name that a host may go on with, exactly once", function()
        local dealt = shards.deal("a", { ["ab.x"] = 1, ["a-1.x"] = 2, ["a.x"] = 3, ["a9.x"] = 4 })
        local total = 0
        for _, part in pairs(dealt) do
            for _ in pairs(part) do
                total = total + 1
            end
        end
        assert.equal(4, total)
        assert.equal(1, dealt["ab"]["ab.x"])
    end)

    it("splits only what is too big, and stays under the limit", function()
        local settings = { shard_size = 10, shard_limit = 50 }
        assert.is_false(shards.should_split(10, 1, settings))
        assert.is_true(shards.should_split(11, 1, settings))
        assert.is_false(shards.should_split(1000, 40, settings))
    end)
end)

describe("kept", function()
    it("keeps what was lost, not what was withdrawn, and not for ever", function()
        local self = kept.new(60)
        assert.same({ "a" }, kept.sift(self, { "a" }, false, 100))
        assert.same({}, kept.sift(self, { "a", "b" }, true, 100))
        assert.same({}, kept.sift(self, { "a", "b" }, false, 159))
        assert.same({ "a", "b" }, kept.sift(self, { "a", "b" }, false, 160))
        kept.forget(self, { "a", "b" })
        assert.equal(0, self.count)
    end)

    it("yields an address that is claimed", function()
        local self = kept.new(60)
        kept.sift(self, { "a", "b" }, true, 100)
        local places = { a = "1.1.1.1:1", b = "1.1.1.1:2 1.1.1.1:3" }
        local function value_of(name) return places[name] end
        assert.same({ "b" }, kept.displaced(self, "1.1.1.1:3", value_of))
        assert.same({}, kept.displaced(self, "1.1.1.1:4", value_of))
    end)
end)

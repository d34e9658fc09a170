local kept = require "reviewapps.kept"
local shards = require "reviewapps.shards"

local function names_of(pattern, number)
    local names = {}
    for each = 1, number do
        names[each] = pattern:format(each)
    end
    return names
end

-- A plan must have each name in exactly one shard, and no shard may begin another.
local function check_plan(parts, number, names)
    local total, seen = 0, 0
    for shard, list in pairs(parts) do
        seen = seen + 1
        total = total + #list
        for _, name in ipairs(list) do
            assert.equal(list, shards.find(parts, name))
        end
        assert.same({ list }, shards.below(parts, shard))
    end
    assert.equal(#names, total)
    assert.equal(number, seen)
end

describe("shards", function()
    it("leaves alone what is small enough, or has no room to split", function()
        local names = names_of("%02d.x", 30)
        local parts, number = shards.plan("", names, 30, 80)
        assert.equal(1, number)
        assert.equal(names, parts[""])
        assert.equal(1, select(2, shards.plan("", names, 5, 3)))
    end)

    it("splits names that begin alike where they differ", function()
        local names = names_of("feature-%05d-abc234.localhost", 10000)
        local parts, number = shards.plan("", names, 2000, 80)
        check_plan(parts, number, names)
        for shard, list in pairs(parts) do
            assert.equal("feature-", shard:sub(1, 8))
            assert.is_true(#list <= 2000, shard)
        end
    end)

    it("cuts the biggest first and keeps within the limit, whatever the names are", function()
        math.randomseed(7)
        for _ = 1, 30 do
            local names, has = {}, {}
            for _ = 1, math.random(1, 800) do
                local name = ("x"):rep(math.random(0, 4))
                for _ = 1, math.random(1, 6) do
                    name = name .. string.char(96 + math.random(1, math.random(1, 26)))
                end
                if not has[name] then
                    has[name] = true
                    names[#names + 1] = name
                end
            end
            local limit, size = math.random(2, 80), math.random(1, 50)
            local parts, number = shards.plan("", names, size, limit)
            check_plan(parts, number, names)
            assert.is_true(number <= limit)
        end
    end)

    it("keeps a name that begins all the others together with them", function()
        local names = { "app", "app-1", "app-2", "app-3" }
        assert.equal(1, select(2, shards.plan("", names, 1, 80)))
    end)

    it("gives a new name a shard that takes in no other", function()
        local watches = { ["feature-a"] = 1, ["feature-b"] = 2, ["fix"] = 3 }
        assert.is_nil(shards.find(watches, "chore.x"))
        assert.equal("c", shards.home(watches, "chore.x", 80))
        assert.equal("fi-", shards.home(watches, "fi-1.x", 80))
        assert.equal("feature-c", shards.home(watches, "feature-c.x", 80))
        assert.equal("feature-", shards.home(watches, "feature-", 80))
    end)

    it("takes in the nearest shards when there may be no more", function()
        local watches = { ["feature-a"] = 1, ["feature-b"] = 2, ["fix"] = 3 }
        local home = shards.home(watches, "feature-c.x", 3)
        assert.equal("feature-", home)
        local below = shards.below(watches, home)
        table.sort(below)
        assert.same({ 1, 2 }, below)
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

    it("takes over what another one keeps", function()
        local self, other = kept.new(60), kept.new(60)
        kept.sift(self, { "a" }, true, 100)
        kept.sift(other, { "a", "b" }, true, 110)
        kept.take(self, other)
        assert.equal(2, self.count)
        assert.same({ a = 170, b = 170 }, self.until_time)
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

-- rest.lua needs nginx only to run; what is tried here is pure.
package.loaded["reviewapps.consul"] = {}
package.loaded["reviewapps.store"] = {}
local rest = require "reviewapps.rest"
local shards = require "reviewapps.shards"

local function listing(names, indent)
    local keys = {}
    for number, name in ipairs(names) do
        keys[number] = indent .. '"p/routes/' .. name .. '"'
    end
    return "[" .. table.concat(keys, ",") .. "]"
end

local function watches_on(...)
    local watches = {}
    for _, shard in ipairs({ ... }) do
        watches[shard] = { shard = shard }
    end
    return watches
end

describe("rest", function()
    it("finds the names that no shard covers", function()
        local names = { "", "a-1.x", "b-1.x", "b-2.x", "c.x", "feature-1.x", "feature-2.x", "fix.x", "z.x" }
        local watches = watches_on("b", "feature-1", "z")
        local want = { "a-1.x", "c.x", "feature-2.x", "fix.x" }
        assert.same(want, rest.uncovered(listing(names, ""), "p/routes/", watches))
        assert.same(want, rest.uncovered(listing(names, "\n    "), "p/routes/", watches))
        assert.same({}, rest.uncovered("", "p/routes/", watches))
    end)

    it("finds the same as a look at every name, whatever the names and shards are", function()
        math.randomseed(11)
        for _ = 1, 60 do
            local names, has, some = {}, {}, {}
            for _ = 1, math.random(1, 600) do
                local name = ("x"):rep(math.random(0, 3))
                for _ = 1, math.random(1, 5) do
                    name = name .. string.char(96 + math.random(1, math.random(1, 26)))
                end
                if not has[name] then
                    has[name] = true
                    names[#names + 1] = name
                    if math.random() < 0.7 then
                        some[#some + 1] = name
                    end
                end
            end
            table.sort(names)
            local watches = {}
            if some[1] then
                for shard in pairs(shards.plan("", some, math.random(1, 40), 60)) do
                    watches[shard] = math.random() < 0.8 and { shard = shard } or nil
                end
            end
            local want = {}
            for _, name in ipairs(names) do
                if not shards.find(watches, name) then
                    want[#want + 1] = name
                end
            end
            assert.same(want, rest.uncovered(listing(names, "\n "), "p/routes/", watches))
        end
    end)
end)

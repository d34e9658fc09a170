local address = require "reviewapps.address"

describe("address", function()
    local rules = address.rules({ "10.86.0.0/24", "10.9.8.7/32" }, 20000, 32000)

    it("accepts one or more places inside the node networks", function()
        assert.same({ { ip = "10.86.0.1", port = 20000 } }, address.peers(rules, "10.86.0.1:20000"))
        assert.same(2, #address.peers(rules, "10.86.0.255:32000 10.9.8.7:25000"))
    end)

    it("refuses everything else", function()
        for _, value in ipairs({
            "", " ", "10.86.1.0:20000", "10.85.255.255:20000", "10.9.8.8:20000", "10.86.0.1:19999",
            "10.86.0.1:32001", "010.86.0.1:20000", "10.86.0.01:20000", "10.86.0.256:20000", "10.86.0:20000",
            "10.86.0.1:020000", "10.86.0.1", "::1", "10.86.0.1:20000 ", "10.86.0.1:20000\n", "a:20000",
        }) do
            assert.is_nil((address.peers(rules, value)), value)
        end
        assert.is_nil((address.peers(rules, nil)))
        assert.is_nil((address.peers(rules, ("10.86.0.1:20000 "):rep(100) .. "10.86.0.1:20000")))
    end)

    it("reads networks of any size", function()
        assert.same({ first = 0, last = 2 ^ 32 - 1 }, address.network("1.2.3.4/0"))
        assert.same(address.number("10.86.0.0"), address.network("10.86.0.77/24").first)
        assert.is_nil(address.network("10.86.0.0/33"))
        assert.has_error(function() address.rules({ "nonsense" }, 1, 2) end)
    end)
end)

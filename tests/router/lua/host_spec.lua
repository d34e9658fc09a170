local host = require "reviewapps.host"

describe("host", function()
    it("knows names from what only looks like one", function()
        for _, name in ipairs({ "a.b", "shop.localhost", "x1-y.z", ("a"):rep(63) .. ".b" }) do
            assert.is_true(host.is_name(name), name)
        end
        for _, name in ipairs({
            "", ".", "a..b", ".a", "a.", "-a.b", "a-.b", "A.b", "a_b.c", "127.0.0.1", "1.2", ("a"):rep(64),
            ("a."):rep(127) .. "a", "a b", "a\0b", "ä.b",
        }) do
            assert.is_falsy(host.is_name(name), name)
        end
    end)

    it("finds the app that a name belongs to", function()
        local domains = { "review.example.org", "localhost" }
        assert.equal("shop.localhost", host.of_app(domains, "shop.localhost"))
        assert.equal("shop.localhost", host.of_app(domains, "a.b.shop.localhost"))
        assert.equal("shop.review.example.org", host.of_app(domains, "x.shop.review.example.org"))
        for _, name in ipairs({ "localhost", "example.org", "xlocalhost", "review.example.org" }) do
            assert.is_nil(host.of_app(domains, name), name)
        end
    end)

    it("compares a Host header whatever its case, port and final dot", function()
        for _, header in ipairs({ "a.b", "A.B", "a.b.", "a.b:80", "A.b.:8080" }) do
            assert.is_true(host.same("a.b", header), header)
        end
        for _, header in ipairs({ "", "a.b..", "a.bc", "xa.b", "a.b:x", "a.b@c", "axb" }) do
            assert.is_false(host.same("a.b", header), header)
        end
        assert.is_false(host.same("a.b", nil))
    end)
end)

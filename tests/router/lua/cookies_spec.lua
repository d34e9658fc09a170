local cookies = require "reviewapps.cookies"

describe("cookies", function()
    it("cuts Domain however it is written", function()
        for line, clean in pairs({
            ["a=1; Domain=.x; Path=/"] = "a=1; Path=/",
            ["a=1;DOMAIN\t= .x"] = "a=1",
            ["a=1;\t domain ;Secure"] = "a=1;Secure",
            ["a=1; Path=/"] = "a=1; Path=/",
            ["domain=1; Path=/"] = "domain=1; Path=/",
            ["a=Domain=x"] = "a=Domain=x",
            ["a=1; xdomain=2"] = "a=1; xdomain=2",
            ["a"] = "a",
        }) do
            assert.equal(clean, cookies.clean(line))
        end
    end)

    it("lets no app set the platform's own cookie", function()
        for _, line in ipairs({ "reviewapps=1", " __Host-reviewapps =x; Path=/", "REVIEWAPPS=x" }) do
            assert.is_nil(cookies.clean(line))
        end
    end)
end)

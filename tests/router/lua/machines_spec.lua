local machines = require "reviewapps.machines"

describe("machines", function()
    it("tells probes, unfurlers and crawlers from people and their tools", function()
        for agent, kind in pairs({
            ["ELB-HealthChecker/2.0"] = "probe",
            ["kube-probe/1.31"] = "probe",
            ["Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"] = "unfurler",
            ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"] = "crawler",
            ["SomeNewBot"] = "crawler",
        }) do
            assert.equal(kind, machines.kind(agent), agent)
        end
        for _, agent in ipairs({
            "", "curl/8.5.0", "python-httpx/0.28", "GitHub-Hookshot/abc", "Cubot Phone Mozilla/5.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
        }) do
            assert.is_nil(machines.kind(agent), agent)
        end
        assert.is_nil(machines.kind(nil))
    end)

    it("says the same again, however many agents it has been asked about", function()
        for number = 1, 2500 do
            assert.is_nil(machines.kind("Browser/" .. number))
            assert.equal("probe", machines.kind("kube-probe/1.31"))
            assert.equal("crawler", machines.kind("SomeNewBot"))
        end
        assert.is_nil(machines.kind("Browser/1"))
        assert.equal("crawler", machines.kind(("x"):rep(508) .. "bot;" .. ("x"):rep(9000)))
        assert.is_nil(machines.kind(("x"):rep(512) .. "bot;"))
    end)
end)

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
end)

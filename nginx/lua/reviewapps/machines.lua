-- Which user agents are machines that look by themselves: they neither wake an app nor count as use.
local machines = {}

-- Health probes of balancers and monitors: they get a short answer.
local PROBES = {
    "elb%-healthchecker", "kube%-probe", "googlehc", "consul health check", "uptimerobot", "pingdom",
    "statuscake", "site24x7", "better uptime", "blackbox%-exporter", "nagios", "check_http",
    "route 53 health", "cloudflare%-healthchecks", "datadog/synthetics", "prometheus/",
}
-- Link unfurlers: they get a card with a title.
local UNFURLERS = {
    "slackbot", "slack%-imgproxy", "facebookexternalhit", "facebot", "twitterbot", "linkedinbot",
    "whatsapp", "telegrambot", "discordbot", "skypeuripreview", "mattermost%-bot", "embedly",
    "google%-pagerenderer", "iframely", "notionbot", "redditbot", "zulipurlpreview", "teamsbot",
    "microsoftpreview", "jira", "github%-camo", "vkshare", "pinterest",
}
-- Crawlers.
local CRAWLERS = {
    "bot[/;)]", "bot$", "crawl", "spider", "slurp", "mediapartners", "feedfetcher", "archiver",
    "scanner", "censys", "zgrab", "masscan", "nmap", "nuclei", "expanse", "headlesschrome/.*lighthouse",
}

local function any(patterns, agent)
    for _, pattern in ipairs(patterns) do
        if agent:find(pattern) then
            return true
        end
    end
    return false
end

local function look(agent)
    agent = agent:lower()
    if any(PROBES, agent) then
        return "probe"
    elseif any(UNFURLERS, agent) then
        return "unfurler"
    elseif any(CRAWLERS, agent) then
        return "crawler"
    end
    return false
end

-- What was found for each agent: a look costs as much as two whole requests, and each app's first
-- request in a second asks.
local LIMIT = 1000
local known, count = {}, 0

-- "probe", "unfurler", "crawler" or nil for everybody else.
function machines.kind(agent)
    if not agent or agent == "" then
        return nil
    end
    if #agent > 512 then
        agent = agent:sub(1, 512)
    end
    local kind = known[agent]
    if kind == nil then
        if count >= LIMIT then
            known, count = {}, 0
        end
        kind = look(agent)
        known[agent] = kind
        count = count + 1
    end
    return kind or nil
end

return machines

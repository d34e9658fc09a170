-- What is said about an app that is not served now, as a table for JSON and for the page. Pure.
local words = {}

local TITLES = {
    deploying = "Being deployed",
    asleep = "Waking up",
    running = "Starting",
    paused = "Paused",
    failed = "The deploy failed",
    destroying = "Being removed",
}
local SENTENCES = {
    deploying = "This review app is being deployed. This page becomes the app as soon as it answers.",
    asleep = "Nobody had used this review app for a while, so it was put to sleep. It is being started "
        .. "now, and this page becomes the app as soon as it answers.",
    running = "This review app is starting. This page becomes the app as soon as it answers.",
    paused = "This review app was paused by its team. It does not start by itself.",
    failed = "This review app could not be deployed.",
    destroying = "This review app is being removed together with its data.",
}
local WAITS = { deploying = true, asleep = true, running = true }
local STEP_STATES = { waiting = true, started = true, done = true, failed = true }

-- 2026-11-21T08:00:00Z as seconds since 1970, or nil.
function words.seconds(text)
    local year, month, day, hour, minute, second =
        tostring(text):match("^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)")
    if not year then
        return nil
    end
    year, month, day = tonumber(year), tonumber(month), tonumber(day)
    -- Days since 1970 by the civil calendar, years beginning in March.
    if month <= 2 then
        year = year - 1
    end
    local era = math.floor(year / 400)
    local of_era = year - era * 400
    local of_year = math.floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
    local days = era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100)
        + of_year - 719468
    return ((days * 24 + tonumber(hour)) * 60 + tonumber(minute)) * 60 + tonumber(second)
end

local function duration(seconds)
    if seconds < 1 then
        return "under 1 s"
    elseif seconds < 90 then
        return string.format("%d s", math.floor(seconds + 0.5))
    end
    return string.format("%d min", math.floor(seconds / 60 + 0.5))
end

local function text_of(value)
    return type(value) == "string" and value:sub(1, 500) or nil
end

local function step_text(step)
    local detail = text_of(step.detail)
    if step.state == "done" and tonumber(step.seconds) then
        return duration(tonumber(step.seconds)) .. (detail and detail ~= "" and ", " .. detail or "")
    end
    return detail and detail ~= "" and detail or step.state
end

local function steps_of(record)
    local steps = {}
    for number, step in ipairs(type(record.steps) == "table" and record.steps or {}) do
        if number > 40 then
            break
        end
        if type(step) == "table" and STEP_STATES[step.state] and type(step.name) == "string" then
            steps[#steps + 1] = { name = step.name:sub(1, 60), state = step.state, text = step_text(step) }
        end
    end
    return steps
end

-- The report on an entry at the time `now`.
function words.status(entry, now)
    local record = entry.record
    local state = TITLES[record.state] and record.state or "deploying"
    local since = words.seconds(record.since)
    local waited = since and math.max(0, now - since) or 0
    local estimate = tonumber(record.estimate_seconds)
    local sentence = SENTENCES[state]
    if WAITS[state] and estimate and estimate > 0 and state ~= "asleep" then
        if waited < estimate then
            sentence = sentence .. " About " .. duration(math.max(1, estimate - waited)) .. " to go."
        else
            sentence = sentence .. " It takes longer than the usual " .. duration(estimate) .. "."
        end
    elseif state == "asleep" and estimate and estimate > 0 then
        sentence = sentence .. " That usually takes " .. duration(estimate) .. "."
    end
    return {
        error = state, state = state, title = TITLES[state], sentence = sentence, message = sentence,
        host = entry.host, branch = text_of(record.branch), steps = steps_of(record),
        estimate_seconds = estimate, waited_seconds = state == "asleep" and 0 or waited,
        cause = state == "failed" and type(record.cause) == "string" and record.cause ~= ""
            and record.cause:sub(1, 4000) or nil,
        waits = WAITS[state] or false,
    }
end

-- Host, and the branch where it is known.
function words.foot(entry)
    local branch = text_of(entry.record.branch)
    return entry.host .. (branch and branch ~= "" and " · " .. branch or "")
end

return words

-- Names that vanished because Consul lost its data, not because somebody withdrew them. Pure.
-- They are served on for a while: the controller writes them again from what really runs. A kept name
-- yields at once when a new route claims its address, so nobody is ever shown another's app.
local kept = {}

function kept.new(seconds)
    return { seconds = seconds, until_time = {}, count = 0 }
end

-- Takes the names that are kept out of `gone`; `is_loss` says that the index went backwards.
-- Returns what is really gone.
function kept.sift(self, gone, is_loss, now)
    local really = {}
    for _, name in ipairs(gone) do
        local deadline = self.until_time[name]
        if is_loss and not deadline then
            deadline = now + self.seconds
            self.until_time[name] = deadline
            self.count = self.count + 1
        end
        if not deadline or deadline <= now then
            really[#really + 1] = name
        end
    end
    return really
end

-- Forgets names that are there again or really gone.
function kept.forget(self, names)
    for _, name in ipairs(names) do
        if self.until_time[name] then
            self.until_time[name] = nil
            self.count = self.count - 1
        end
    end
end

-- Takes over what another one keeps.
function kept.take(self, other)
    for name, deadline in pairs(other.until_time) do
        if not self.until_time[name] then
            self.count = self.count + 1
        end
        self.until_time[name] = deadline
    end
end

-- The kept names among {name -> value} in `table_of` whose addresses a new value claims.
function kept.displaced(self, value, value_of)
    local names = {}
    if self.count > 0 then
        local claimed = {}
        for place in value:gmatch("%S+") do
            claimed[place] = true
        end
        for name in pairs(self.until_time) do
            for place in (value_of(name) or ""):gmatch("%S+") do
                if claimed[place] then
                    names[#names + 1] = name
                    break
                end
            end
        end
    end
    return names
end

return kept

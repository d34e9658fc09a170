-- The settings of this router, as rendered into nginx.conf; read-only after init.
local config = {}

-- Fills the table in place, so that modules may keep `require "reviewapps.config"` as a local.
function config.fill(settings)
    for name, value in pairs(settings) do
        config[name] = value
    end
    return config
end

return config

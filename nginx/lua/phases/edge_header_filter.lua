-- The fast lane's second and last piece of Lua: what an app sets for its siblings is cut out.
-- Answers of the gate were cleaned there, and may carry the platform's own cookies.
local lines = ngx.header["Set-Cookie"]
if lines and not (ngx.var.upstream_addr or ""):find("gate%.sock$") then
    require("reviewapps.cookies").clean_answer(lines)
end

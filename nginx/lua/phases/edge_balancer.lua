-- The fast lane: the only Lua that runs for a plain request to a running, public app.
-- Kept inline and short: each call from here to another chunk shows in the benchmark.
local routes = require "reviewapps.routes"
return routes.pick()

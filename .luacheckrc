-- The Lua of the router runs in nginx; the specs run under busted.
std = "ngx_lua"
max_line_length = 110
include_files = { "nginx/lua", "tests/router/lua", "bench/router_load.lua" }
files["tests/router/lua"] = { std = "+busted" }
files["bench/router_load.lua"] = { globals = { "init", "request", "wrk" } }

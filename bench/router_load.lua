-- wrk's script: a browser's headers, and with arguments many hosts in random order.
local hosts = {}

function init(arguments)
    for number = 1, tonumber(arguments[1] or "1") do
        local letter = string.char(97 + (number - 1) % 26)
        hosts[number] = wrk.format("GET", "/", {
            ["Host"] = string.format("%spp%05d-abc234.localhost", letter, number - 1),
            ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            ["Accept-Language"] = "en-US,en;q=0.5",
            ["Cookie"] = "_session=c2Vzc2lvbi1vZi1hLXJldmlldy1hcHA; theme=dark",
        })
    end
    math.randomseed(tonumber(arguments[2] or "1"))
end

function request()
    return hosts[math.random(#hosts)]
end

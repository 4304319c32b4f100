-- The same overwrites for webdis, which takes a value as the body of a PUT: wrk -s webdis.lua http://127.0.0.1:7379 -- [records]
local records = 100000
local texts = {}

function setup(thread)
   seeds = (seeds or 0) + 1
   thread:set("seed", seeds)
   thread:set("folder", debug.getinfo(1, "S").source:match("@(.*/)") or "")
end

function init(arguments)
   records = tonumber(arguments[1]) or records
   texts = dofile(folder .. "texts.lua")(seed)
end

function request()
   local path = string.format("/SET/key:%012d", math.random(0, records - 1))
   return wrk.format("PUT", path, nil, texts[math.random(#texts)])
end

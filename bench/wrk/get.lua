-- Reads of random records: wrk -s get.lua http://127.0.0.1:6660 -- [records] [query]
local records = 100000
local query = ""

function setup(thread)
   seeds = (seeds or 0) + 1
   thread:set("seed", seeds)
end

function init(arguments)
   records = tonumber(arguments[1]) or records
   query = arguments[2] or query
   math.randomseed(seed)
end

function request()
   return wrk.format("GET", string.format("/bench/key/%08d%s", math.random(0, records - 1), query))
end

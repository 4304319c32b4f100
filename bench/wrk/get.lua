-- Reads of random records: wrk -s get.lua http://127.0.0.1:6660 -- [records]
local records = 100000

function setup(thread)
   seeds = (seeds or 0) + 1
   thread:set("seed", seeds)
end

function init(arguments)
   records = tonumber(arguments[1]) or records
   math.randomseed(seed)
end

function request()
   return wrk.format("GET", string.format("/bench/key/%08d", math.random(0, records - 1)))
end

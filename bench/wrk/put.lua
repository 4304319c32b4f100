-- Overwrites of random records with other texts: wrk -s put.lua http://127.0.0.1:6660 -- [records] [sync|relaxed]
local records, durability = 100000, "sync"
local bodies = {}

function setup(thread)
   seeds = (seeds or 0) + 1
   thread:set("seed", seeds)
   thread:set("folder", debug.getinfo(1, "S").source:match("@(.*/)") or "")
end

function init(arguments)
   records = tonumber(arguments[1]) or records
   durability = arguments[2] or durability
   wrk.headers["Content-Type"] = "application/json"
   for number, text in ipairs(dofile(folder .. "texts.lua")(seed)) do
      bodies[number] = '{"value":"' .. text .. '"}'
   end
end

function request()
   local path = string.format("/bench/key/%08d?durability=%s", math.random(0, records - 1), durability)
   return wrk.format("PUT", path, nil, bodies[math.random(#bodies)])
end

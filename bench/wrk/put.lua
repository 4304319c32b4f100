-- Overwrites of random records with new texts: wrk -s put.lua http://127.0.0.1:6660 -- [records] [sync|relaxed]
-- The texts are drawn from ones made beforehand, so that making them costs the load little.
local records, durability = 100000, "sync"
local texts = {}
local words = { "lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "do",
   "eiusmod", "tempor", "incididunt", "ut", "labore", "et", "dolore", "magna", "aliqua", "enim", "minim",
   "veniam", "quis", "nostrud", "exercitation", "ullamco", "laboris", "nisi", "aliquip", "commodo",
   "consequat", "duis", "aute", "irure", "reprehenderit", "voluptate", "velit", "esse", "cillum", "fugiat" }

function setup(thread)
   seeds = (seeds or 0) + 1
   thread:set("seed", seeds)
end

function init(arguments)
   records = tonumber(arguments[1]) or records
   durability = arguments[2] or durability
   math.randomseed(seed)
   wrk.headers["Content-Type"] = "application/json"
   for text = 1, 1000 do
      local drawn = {}
      for word = 1, 50 do drawn[word] = words[math.random(#words)] end
      texts[text] = '{"value":"' .. table.concat(drawn, " ") .. '"}'
   end
end

function request()
   local path = string.format("/bench/key/%08d?durability=%s", math.random(0, records - 1), durability)
   return wrk.format("PUT", path, nil, texts[math.random(#texts)])
end

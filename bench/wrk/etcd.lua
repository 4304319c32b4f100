-- The same overwrites for etcd's JSON gateway, which takes keys and values in Base64: wrk -s etcd.lua http://127.0.0.1:2379 -- [records]
local records = 100000
local values = {}

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
   local out = {}
   for at = 1, #text, 3 do
      local a, b, c = text:byte(at, at + 2)
      local bits = a * 65536 + (b or 0) * 256 + (c or 0)
      for place, shift in ipairs({ 262144, 4096, 64, 1 }) do
         local digit = math.floor(bits / shift) % 64
         local padded = (place == 3 and not b) or (place == 4 and not c)
         out[#out + 1] = padded and "=" or alphabet:sub(digit + 1, digit + 1)
      end
   end
   return table.concat(out)
end

function setup(thread)
   seeds = (seeds or 0) + 1
   thread:set("seed", seeds)
   thread:set("folder", debug.getinfo(1, "S").source:match("@(.*/)") or "")
end

function init(arguments)
   records = tonumber(arguments[1]) or records
   wrk.headers["Content-Type"] = "application/json"
   for number, text in ipairs(dofile(folder .. "texts.lua")(seed)) do
      values[number] = base64(text)
   end
end

function request()
   local key = base64(string.format("%09d", math.random(0, records - 1)))
   local body = '{"key":"' .. key .. '","value":"' .. values[math.random(#values)] .. '"}'
   return wrk.format("POST", "/v3/kv/put", nil, body)
end

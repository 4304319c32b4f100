-- 1,000 texts of 50 words of lorem ipsum, made beforehand, so that making them costs the load little.
local words = { "lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "sed", "do",
   "eiusmod", "tempor", "incididunt", "ut", "labore", "et", "dolore", "magna", "aliqua", "enim", "minim",
   "veniam", "quis", "nostrud", "exercitation", "ullamco", "laboris", "nisi", "aliquip", "commodo",
   "consequat", "duis", "aute", "irure", "reprehenderit", "voluptate", "velit", "esse", "cillum", "fugiat" }

return function(seed)
   math.randomseed(seed)
   local texts = {}
   for text = 1, 1000 do
      local drawn = {}
      for word = 1, 50 do drawn[word] = words[math.random(#words)] end
      texts[text] = table.concat(drawn, " ")
   end
   return texts
end

-- A JSON text in; what a check of it needs, or the code of a refusal and the byte it is about, out.
--
-- Reads the body's bytes in place: nothing of it is copied but the keys. A value becomes
--   string  -> {kind = "string", from, to}     its bytes, without the quotes: from is counted, to is not
--   number  -> {kind = "number", from, to}
--   boolean -> {kind = "boolean"}, null -> {kind = "null"}
--   array   -> {kind = "array", count, only, [1], ...}   `only` is its elements' common kind; the first KEEP elements
--   object  -> {kind = "object", keys = {names in order}, at = {name = value}}
-- Bytes are counted from 0. A Lua string ends in a NUL, which no rule takes: reading never runs past the end.
local ffi = require("ffi")
local KEEP, MAX_VALUES, MAX_KEY, MAX_NUMBER = 64, 65536, 64, 40

local TRUE, FALSE, NULL = {kind = "boolean"}, {kind = "boolean"}, {kind = "null"}
local values_left, failed_at = 0, 0

local function fail(i, code)
  failed_at = i
  return nil, code
end

-- The value of four hexadecimal digits.
local function hex4(p, i)
  local value = 0
  for k = i, i + 3 do
    local c = p[k]
    if c >= 48 and c <= 57 then c = c - 48
    elseif c >= 65 and c <= 70 then c = c - 55
    elseif c >= 97 and c <= 102 then c = c - 87
    else return nil end
    value = value * 16 + c
  end
  return value
end

-- The index after the escape \uXXXX at i, or after the two of a surrogate pair.
local function skip_unicode_escape(p, i)
  local unit = hex4(p, i + 2)
  if not unit then return fail(i, "invalid_json") end
  if unit < 0xD800 or unit > 0xDFFF then return i + 6 end
  if unit < 0xDC00 and p[i + 6] == 92 and p[i + 7] == 117 then
    local low = hex4(p, i + 8)
    if low and low >= 0xDC00 and low <= 0xDFFF then return i + 12 end
  end
  return fail(i, "invalid_utf8")
end

-- The index after the escape whose backslash is at i.
local function skip_escape(p, i)
  local c = p[i + 1]
  if c == 117 then return skip_unicode_escape(p, i) end
  if c == 34 or c == 92 or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116 then return i + 2 end
  return fail(i, "invalid_json")
end

local function is_tail(c) return c >= 0x80 and c <= 0xBF end

-- The index after the character beyond ASCII that starts at i, if it is well-formed UTF-8.
local function skip_character(p, i)
  local a, b = p[i], p[i + 1]
  if a >= 0xC2 and a <= 0xDF then
    if is_tail(b) then return i + 2 end
  elseif a >= 0xE0 and a <= 0xEF then
    local low, high = a == 0xE0 and 0xA0 or 0x80, a == 0xED and 0x9F or 0xBF
    if b >= low and b <= high and is_tail(p[i + 2]) then return i + 3 end
  elseif a >= 0xF0 and a <= 0xF4 then
    local low, high = a == 0xF0 and 0x90 or 0x80, a == 0xF4 and 0x8F or 0xBF
    if b >= low and b <= high and is_tail(p[i + 2]) and is_tail(p[i + 3]) then return i + 4 end
  end
  return fail(i, "invalid_utf8")
end

-- The index of the quote that ends the string whose first byte is at i.
local function string_end(p, i)
  while true do
    local c = p[i]
    if c == 34 then return i end
    if c < 32 then return fail(i, "invalid_json") end
    local code
    if c == 92 then
      i, code = skip_escape(p, i)
    elseif c < 128 then
      i = i + 1
    else
      i, code = skip_character(p, i)
    end
    if code then return nil, code end
  end
end

local function skip_space(p, i)
  local c = p[i]
  while c == 32 or c == 10 or c == 13 or c == 9 do
    i = i + 1
    c = p[i]
  end
  return i
end

local function skip_digits(p, i)
  local start = i
  while p[i] >= 48 and p[i] <= 57 do i = i + 1 end
  return i > start and i or nil
end

-- The index after the number that starts at i.
local function number_end(p, i)
  if p[i] == 45 then i = i + 1 end
  if p[i] == 48 then i = i + 1 else i = skip_digits(p, i) end
  if i and p[i] == 46 then i = skip_digits(p, i + 1) end
  if i and (p[i] == 101 or p[i] == 69) then
    i = i + 1
    if p[i] == 43 or p[i] == 45 then i = i + 1 end
    i = skip_digits(p, i)
  end
  return i
end

local read_value

-- After an element at i: the index of the next one and nothing, or the index after the end and true.
local function next_element(p, i, closing)
  i = skip_space(p, i)
  if p[i] == closing then return i + 1, true end
  if p[i] ~= 44 then return fail(i, "invalid_json") end
  return skip_space(p, i + 1), false
end

local function add_element(array, value)
  local count = array.count + 1
  array.count = count
  if count == 1 then
    array.only = value.kind
  elseif array.only ~= value.kind then
    array.only = "mixed"
  end
  if count <= KEEP then array[count] = value end
end

local function read_array(p, i, depth)
  local found = {kind = "array", count = 0}
  i = skip_space(p, i + 1)
  if p[i] == 93 then return i + 1, found end
  while true do
    local after, value = read_value(p, i, depth)
    if not after then return nil, value end
    add_element(found, value)
    local at_end
    i, at_end = next_element(p, after, 93)
    if not i then return nil, at_end end
    if at_end then return i, found end
  end
end

-- The index of the value, and the key, of the member that starts at i.
local function read_key(p, i, object)
  if p[i] ~= 34 then return fail(i, "invalid_json") end
  local stop, code = string_end(p, i + 1)
  if not stop then return nil, code end
  if stop - i - 1 > MAX_KEY then return fail(i, "invalid_request") end
  local key = ffi.string(p + i + 1, stop - i - 1)
  if object.at[key] then return fail(i, "duplicate_key") end
  local colon = skip_space(p, stop + 1)
  if p[colon] ~= 58 then return fail(colon, "invalid_json") end
  return skip_space(p, colon + 1), key
end

local function read_object(p, i, depth)
  local found = {kind = "object", keys = {}, at = {}}
  i = skip_space(p, i + 1)
  if p[i] == 125 then return i + 1, found end
  while true do
    local start, key = read_key(p, i, found)
    if not start then return nil, key end
    local after, value = read_value(p, start, depth)
    if not after then return nil, value end
    found.keys[#found.keys + 1] = key
    found.at[key] = value
    local at_end
    i, at_end = next_element(p, after, 125)
    if not i then return nil, at_end end
    if at_end then return i, found end
  end
end

local function read_word(p, i, word, value)
  for k = 1, #word do
    if p[i + k - 1] ~= word:byte(k) then return fail(i, "invalid_json") end
  end
  return i + #word, value
end

local function read_string(p, i)
  local stop, code = string_end(p, i + 1)
  if not stop then return nil, code end
  return stop + 1, {kind = "string", from = i + 1, to = stop}
end

local function read_number(p, i)
  local after = number_end(p, i)
  if not after then return fail(i, "invalid_json") end
  if after - i > MAX_NUMBER then return fail(i, "invalid_request") end
  return after, {kind = "number", from = i, to = after}
end

-- The index after the value that starts at i, and the value; or nil and a code.
read_value = function(p, i, depth)
  values_left = values_left - 1
  if values_left < 0 then return fail(i, "too_large") end
  local c = p[i]
  if c == 34 then return read_string(p, i) end
  if c == 123 or c == 91 then
    if depth >= LIMITS.depth then return fail(i, "too_deep") end
    if c == 123 then return read_object(p, i, depth + 1) end
    return read_array(p, i, depth + 1)
  end
  if c == 116 then return read_word(p, i, "true", TRUE) end
  if c == 102 then return read_word(p, i, "false", FALSE) end
  if c == 110 then return read_word(p, i, "null", NULL) end
  return read_number(p, i)
end

-- The value that the first `length` bytes of a text are; or nil, a code and the byte that it is about.
local function read(text, length)
  if length < #text then text = text:sub(1, length) end
  local p = ffi.cast("const uint8_t *", text)
  values_left = MAX_VALUES
  local after, value = read_value(p, skip_space(p, 0), 0)
  if not after then return nil, value, failed_at end
  after = skip_space(p, after)
  if after ~= length then return nil, "invalid_json", after end
  return value
end

return {read = read}

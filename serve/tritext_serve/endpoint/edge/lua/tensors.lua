-- Raw tensors of texts in; whether they are what they say, out.
--
-- Triton finds out only when it hands a whole batch to its python backend, and then refuses every request of the batch:
-- a client could spoil the answers of others. A text is four bytes of length, lowest first, and that many bytes.
local ffi = require("ffi")
local BYTES, MODEL_INFER = "BYTES", "/inference.GRPCInferenceService/ModelInfer"
-- Field numbers of KServe's ModelInferRequest and InferInputTensor.
local INPUTS, RAW, DATATYPE, SHAPE = 5, 7, 2, 3
local FRAME, LARGEST_TAG = 5, 4294967296

-- Whether the bytes from `from` to before `to` are just `count` texts.
local function are_texts(p, from, to, count)
  for _ = 1, count do
    if to - from < 4 then return false end
    from = from + 4 + p[from] + p[from + 1] * 256 + p[from + 2] * 65536 + p[from + 3] * 16777216
    if from > to then return false end
  end
  return from == to
end

-- A number of up to 64 bits and the index after it; a negative one is very large.
local function varint(p, i, stop)
  local value, scale = 0, 1
  while i < stop do
    local c = p[i]
    i = i + 1
    value = value + c % 128 * scale
    if c < 128 then return value, i end
    scale = scale * 128
  end
end

-- Calls `take` for each field of a message that is a number or has a length: its number, and where its value begins and
-- ends, or the value itself. None of those looked for is of fixed size: of that kind they are to Triton unknown fields.
-- False where the bytes are no message.
local function each_field(p, i, stop, take)
  while i < stop do
    local tag, value
    tag, i = varint(p, i, stop)
    if not tag or tag >= LARGEST_TAG then return false end
    local wire = tag % 8
    if wire == 0 then
      value, i = varint(p, i, stop)
      if not value then return false end
      take((tag - wire) / 8, nil, nil, value)
    else
      local size = wire == 1 and 8 or wire == 5 and 4
      if wire == 2 then size, i = varint(p, i, stop) end
      if not size or i + size > stop then return false end
      if wire == 2 then take((tag - wire) / 8, i, i + size) end
      i = i + size
    end
  end
  return true
end

local function read_input(p, from, to)
  local input = {count = 1}
  local whole = each_field(p, from, to, function(number, start, stop, value)
    if number == DATATYPE and start then input.datatype = ffi.string(p + start, stop - start) end
    if number ~= SHAPE then return end
    if value then input.count = input.count * value end
    while start and start < stop do
      value, start = varint(p, start, stop)
      if value then input.count = input.count * value end
    end
  end)
  return whole and input or nil
end

local function read_call(p, stop)
  local inputs, raws, unread = {}, {}, false
  local whole = each_field(p, FRAME, stop, function(number, start, after)
    if number == INPUTS and start then
      local input = read_input(p, start, after)
      if input then inputs[#inputs + 1] = input else unread = true end
    end
    if number == RAW and start then raws[#raws + 1] = {start, after} end
  end)
  return whole and not unread and inputs, raws
end

-- The code of the refusal that a call of ModelInfer deserves, if its raw tensors of texts are not what its shapes say.
-- What cannot be read here is refused, as Triton might read it otherwise.
local function check_call(text)
  local p, length = ffi.cast("const uint8_t *", text), #text - FRAME
  if length < 0 then return "invalid_request" end
  if p[0] ~= 0 then return "content_encoding" end
  if ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] ~= length then return "invalid_request" end
  local inputs, raws = read_call(p, #text)
  if not inputs or #raws > 0 and #raws ~= #inputs then return "invalid_request" end
  for k = 1, #raws do
    local input = inputs[k]
    if input.datatype == BYTES and not are_texts(p, raws[k][1], raws[k][2], input.count) then return "invalid_request" end
  end
end

-- Whether what follows the JSON of an inference is what its inputs say: a list of {size, datatype, count}.
local function fit(text, from, inputs)
  local p = ffi.cast("const uint8_t *", text)
  for k = 1, #inputs do
    local to = from + inputs[k].size
    if to > #text or inputs[k].datatype == BYTES and not are_texts(p, from, to, inputs[k].count) then return false end
    from = to
  end
  return from == #text
end

return {check_call = check_call, fit = fit, MODEL_INFER = MODEL_INFER}

-- A request's headers and body in; nothing, or the code of the refusal and what exactly is wrong, out.
-- What is wrong is said in these words and numbers alone: a refusal quotes nothing that was sent.

local LARGEST = 10000000000
local TEXTS = "text must be a string, or a list of strings that is not empty"

local function wrong(detail) return "invalid_request", detail end

-- The value of a whole number below a limit.
local function whole(text, value, limit)
  if value.kind ~= "number" or value.to - value.from > 10 then return nil end
  local digits = text:sub(value.from + 1, value.to)
  if not digits:find("^%d+$") then return nil end
  local number = tonumber(digits)
  return number < limit and number or nil
end

local function is_scalar(value) return value.kind == "string" or value.kind == "number" or value.kind == "boolean" end

local function check_keys(object, allowed, detail)
  for k = 1, #object.keys do
    if not allowed[object.keys[k]] then return wrong(detail) end
  end
end

-- How many texts a value holds; or nil, a code and what is wrong.
local function count_texts(value)
  if value.kind == "string" then return 1 end
  if value.kind ~= "array" then return nil, wrong(TEXTS) end
  if value.count > LIMITS.batch_texts then return nil, "batch_too_large" end
  if value.only ~= "string" then return nil, wrong(TEXTS) end
  return value.count
end

local function check_pair(body, count)
  local pair = body.at.text_pair
  if not pair then return nil end
  local pairs_count, code, detail = count_texts(pair)
  if not pairs_count then return code, detail end
  if pairs_count ~= count then return wrong("text and text_pair must be as many") end
end

-- {"text": "..."} or {"text": ["...", ...]}, and how long texts are taken.
local function check_predict(body)
  local code, detail = check_keys(body, PREDICT_KEYS, PREDICT_KEYS_ARE)
  if code then return code, detail end
  if not body.at.text then return wrong(TEXTS) end
  local count
  count, code, detail = count_texts(body.at.text)
  if not count then return code, detail end
  for key, value in pairs(body.at) do
    if key ~= "text" and key ~= "text_pair" and not is_scalar(value) then
      return wrong("what stands beside the texts must be a string, a number or a boolean")
    end
  end
  return check_pair(body, count)
end

local function check_parameters(value, text)
  if not value then return nil end
  if value.kind ~= "object" then return wrong("parameters must be an object") end
  for key, each in pairs(value.at) do
    if not is_scalar(each) then return wrong("a parameter must be a string, a number or a boolean") end
    if WHOLE[key] and not whole(text, each, LARGEST) then return wrong(WHOLE_ARE) end
    if BOOLEAN[key] and each.kind ~= "boolean" then return wrong(BOOLEAN_ARE) end
  end
  return check_keys(value, PARAMETERS, PARAMETERS_ARE)
end

local function check_shape(text, shape)
  if not shape or shape.kind ~= "array" or shape.count == 0 or shape.count > 8 then
    return wrong("an input's shape must be a list of one to eight whole numbers")
  end
  for k = 1, shape.count do
    local size = whole(text, shape[k], 2147483648)
    if not size then return wrong("a shape's numbers must be whole, not negative, and below 2147483648") end
    if k == 1 and size > LIMITS.batch_texts then return "batch_too_large" end
  end
end

local function check_name(tensor)
  local name = tensor.kind == "object" and tensor.at.name
  if not name or name.kind ~= "string" or name.to - name.from > 128 then
    return wrong("every input and output must be an object with a name of at most 128 bytes")
  end
end

local function check_output(tensor, text)
  local code, detail = check_name(tensor)
  if code then return code, detail end
  code, detail = check_keys(tensor, OUTPUT_KEYS, OUTPUT_KEYS_ARE)
  if code then return code, detail end
  return check_parameters(tensor.at.parameters, text)
end

local function check_input(tensor, text)
  local code, detail = check_name(tensor)
  if code then return code, detail end
  code, detail = check_keys(tensor, INPUT_KEYS, INPUT_KEYS_ARE)
  if code then return code, detail end
  code, detail = check_parameters(tensor.at.parameters, text)
  if code then return code, detail end
  local datatype, data = tensor.at.datatype, tensor.at.data
  -- An escape within it would hide from us what Triton reads.
  if not datatype or datatype.kind ~= "string" or datatype.to - datatype.from > 16
    or text:sub(datatype.from + 1, datatype.to):find("%W") then
    return wrong("an input's datatype must be a string of at most 16 letters and digits")
  end
  if data and data.kind ~= "array" then return wrong("an input's data must be a list") end
  return check_shape(text, tensor.at.shape)
end

local function check_list(list, limit, check, text, detail)
  if list.kind ~= "array" or list.count > limit then return wrong(detail) end
  for k = 1, list.count do
    local code, why = check(list[k], text)
    if code then return code, why end
  end
end

-- KServe's inference request.
local function check_infer(body, text)
  local inputs, outputs, id = body.at.inputs, body.at.outputs, body.at.id
  local code, detail = check_keys(body, INFER_KEYS, INFER_KEYS_ARE)
  if code then return code, detail end
  if id and (id.kind ~= "string" or id.to - id.from > 256) then
    return wrong("id must be a string of at most 256 bytes")
  end
  if not inputs or inputs.count == 0 then return wrong("inputs must be a list that is not empty") end
  code, detail = check_parameters(body.at.parameters, text)
  if code then return code, detail end
  code, detail = check_list(inputs, LIMITS.inputs, check_input, text, "inputs must be a list of at most " .. LIMITS.inputs)
  if code or not outputs then return code, detail end
  return check_list(outputs, LIMITS.outputs, check_output, text, "outputs must be a list of at most " .. LIMITS.outputs)
end

local function media_type(headers)
  local given = headers:get("content-type")
  return given and (given:match("^%s*([^;%s]*)") or ""):lower()
end

-- How many bytes of the body are JSON: KServe's binary extension puts tensors after it. Or nil and a code.
local function json_length(headers, kind, size)
  local given, media = headers:get("inference-header-content-length"), media_type(headers)
  local is_binary = given and media == "application/octet-stream"
  if media and media ~= "application/json" and not is_binary then return nil, "unsupported_media_type" end
  if not given then return size end
  local detail = "inference-header-content-length must be a number of bytes within the body, and is for infer alone"
  if kind ~= "infer" or not given:find("^%d+$") or #given > 9 then return nil, wrong(detail) end
  local length = tonumber(given)
  if length > size then return nil, wrong(detail) end
  return length
end

-- What the inputs say of the tensors behind the JSON.
local function raw_inputs(body, text)
  local found = {}
  for k = 1, body.at.inputs.count do
    local tensor, count = body.at.inputs[k].at, 1
    local size = tensor.parameters and tensor.parameters.at.binary_data_size
    if size then
      if tensor.data then return nil end
      for d = 1, tensor.shape.count do count = count * whole(text, tensor.shape[d], 2147483648) end
      local datatype = text:sub(tensor.datatype.from + 1, tensor.datatype.to)
      found[#found + 1] = {size = whole(text, size, LARGEST), datatype = datatype, count = count}
    end
  end
  return found
end

local function check_raw(body, text, length)
  local inputs = raw_inputs(body, text)
  if not inputs or not tensors.fit(text, length, inputs) then
    return wrong("the binary tensors are not what the inputs' shapes, datatypes and sizes say")
  end
end

local function check_headers(headers)
  for name, value in pairs(headers) do
    if #name + #value > LIMITS.header_bytes then return "headers_too_large" end
  end
  local encoding = headers:get("content-encoding")
  if encoding and encoding:lower() ~= "identity" then return "content_encoding" end
end

local function check_body(headers, text, kind)
  local length, code, detail = json_length(headers, kind, #text)
  if not length then return code, detail end
  if #text == 0 then return "empty_body" end
  local body, byte
  body, code, byte = json.read(text, length)
  if not body then return code, REFUSALS[code].message .. ", at byte " .. byte end
  if body.kind ~= "object" then return wrong("the body must be a JSON object") end
  if kind == "predict" then return check_predict(body) end
  code, detail = check_infer(body, text)
  if code then return code, detail end
  return check_raw(body, text, length)
end

return {headers = check_headers, body = check_body}

-- What Envoy calls for each request and each answer.
-- Envoy's objects live until the script next waits for data: headers are asked for anew after a body has come.

-- A refusal's body, with other words than the table's if there are better ones, which must be safe within JSON.
local function body_of(code, message)
  if not message then return REFUSALS[code].body end
  return '{"error": "' .. message .. '", "code": "' .. code .. '"}'
end

local function refuse(handle, code, message)
  local refusal = REFUSALS[code]
  local headers = {[":status"] = refusal.status, ["content-type"] = "application/json", [ERROR_HEADER] = code}
  if refusal.retry then headers["retry-after"] = refusal.retry end
  handle:respond(headers, body_of(code, message))
end

local function refuse_call(handle, code)
  local refusal = REFUSALS[code]
  local headers = {[":status"] = refusal.status, ["grpc-status"] = refusal.grpc, [ERROR_HEADER] = code}
  handle:respond(headers, refusal.message)
end

-- The refusal that a request deserves, if any.
local function judge(handle, kind)
  local code = checks.headers(handle:headers())
  if code or kind == "none" then return code end
  local body = handle:body()
  local text = body and body:getBytes(0, body:length()) or ""
  return checks.body(handle:headers(), text, kind)
end

-- The same for a call.
local function judge_call(handle)
  if handle:headers():get(":path") ~= tensors.MODEL_INFER then return nil end
  local body = handle:body()
  return tensors.check_call(body and body:getBytes(0, body:length()) or "")
end

function envoy_on_request(handle)
  local kind = handle:filterContext():get("check")
  -- Envoy would let the request of a script that fails pass.
  local is_call = kind == "grpc"
  local fine, code, message = pcall(is_call and judge_call or judge, handle, kind)
  if not fine then
    handle:logErr(tostring(code))
    code, message = "internal", nil
  end
  if not code then return end
  if is_call then refuse_call(handle, code) else refuse(handle, code, message) end
end

-- The refusal that Triton's words mean, and those of them that may be handed on.
local function understand(message, otherwise)
  for k = 1, #SAID do
    local said = SAID[k]
    local from, to, part = message:find(said.pattern)
    if from then return said.code, said.quoted and (part or message:sub(from, to)) or nil end
  end
  return otherwise
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function translate_grpc(headers, status)
  local code, quoted = understand(unescape(headers:get("grpc-message") or ""), BY_GRPC[status] or "internal")
  headers:replace(ERROR_HEADER, code)
  headers:replace("grpc-status", REFUSALS[code].grpc)
  headers:replace("grpc-message", quoted or REFUSALS[code].message)
end

local function translate(handle, status)
  local body = handle:body(true)
  local message = body:length() > 0 and body:getBytes(0, math.min(body:length(), MESSAGE_BYTES)) or ""
  local code, quoted = understand(message, BY_STATUS[status] or "internal")
  local refusal, size = REFUSALS[code], body:setBytes(body_of(code, quoted))
  local headers = handle:headers()
  headers:replace(":status", refusal.status)
  headers:replace(ERROR_HEADER, code)
  headers:replace("content-type", "application/json")
  headers:replace("content-length", tostring(size))
  if refusal.retry then headers:replace("retry-after", refusal.retry) end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local status, grpc_status = headers:get(":status"), headers:get("grpc-status")
  if status == "200" and (not grpc_status or grpc_status == "0") then return end
  if headers:get(ERROR_HEADER) then return end -- the edge's own answer, in the table's words already
  if grpc_status then return translate_grpc(headers, grpc_status) end
  translate(handle, status)
end

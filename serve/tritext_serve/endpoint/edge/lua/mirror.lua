-- A request's copy for a candidate, in; the same for the candidate's own model, out.
function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get("x-tritext-mirror-path")
  if not path then return end
  headers:remove("x-tritext-mirror-path")
  headers:replace(":path", path)
end

-- The requests that wrk sends. MODE selects them; the rest comes from bench/run in the environment, so that no secret is in an
-- argument: METHOD, AUTHORIZATION, BODY and HEADERS (further ones, a line each) of every request, and TOKENS. wrk runs with one
-- thread, so one queue serves all connections.
--   fixed     the same request over and over
--   lines     each request has a line of the file LINES, in the header that HEADER names or else at the end of its body; with
--             REPEAT the file begins again at its end. The codes in the answers go to the file CODES, if there is one
--   refresh   refresh tokens: each request takes one, and its answer puts the successor back
--   both      tokens are issued, and each is introspected once (with READER's authorization)

local mode, method, fixed_body = os.getenv("MODE"), os.getenv("METHOD") or "POST", os.getenv("BODY")
local form = { ["Authorization"] = os.getenv("AUTHORIZATION") }
if method == "POST" then form["Content-Type"] = "application/x-www-form-urlencoded" end
for name, value in (os.getenv("HEADERS") or ""):gmatch("([^:\n]+): ([^\n]+)") do form[name] = value end
local queue, verified, threads = {}, false, {}
done_count, odd_count, lacking_count = 0, 0, 0 -- global, so that done() can read them from each thread

for token in (os.getenv("TOKENS") or ""):gmatch("%S+") do queue[#queue + 1] = token end

function setup(thread) threads[#threads + 1] = thread end

if mode == "fixed" then
  wrk.method, wrk.headers, wrk.body = method, form, fixed_body
end

if mode == "lines" then
  local header, repeats, lines = os.getenv("HEADER"), os.getenv("REPEAT"), nil
  local codes = os.getenv("CODES") and assert(io.open(os.getenv("CODES"), "w"))
  local function take()
    lines = lines or assert(io.open(os.getenv("LINES")))
    local line = lines:read("*l")
    if not line and repeats then
      lines:seek("set")
      line = lines:read("*l")
    end
    if not line then lacking_count = lacking_count + 1 end
    return line or "none-left"
  end
  function request()
    if not header then return wrk.format(method, nil, form, fixed_body .. take()) end
    form[header] = take()
    return wrk.format(method, nil, form, fixed_body)
  end
  if codes then
    function response(_, headers)
      local code = (headers["location"] or ""):match("[?&]code=([^&]+)")
      if code then codes:write(code, "\n") else odd_count = odd_count + 1 end
    end
  end
end

if mode == "refresh" then
  function request()
    -- wrk asks for one request before it connects, and does not send it.
    local token = verified and table.remove(queue, 1) or queue[1] or "none-left"
    verified = true
    return wrk.format("POST", nil, form, "grant_type=refresh_token&refresh_token=" .. token)
  end
  function response(_, _, body)
    local token = body:match('"refresh_token":"([^"]+)"')
    if token then queue[#queue + 1] = token else odd_count = odd_count + 1 end
  end
end

if mode == "both" then
  local reader = { ["Authorization"] = os.getenv("READER"), ["Content-Type"] = form["Content-Type"] }
  function request()
    local token = table.remove(queue)
    if token then return wrk.format("POST", "/auth/introspect", reader, "token=" .. token) end
    return wrk.format("POST", "/auth/token", form, fixed_body)
  end
  function response(_, _, body)
    local token = body:match('"access_token":"([^"]+)"')
    if token then
      queue[#queue + 1] = token
    elseif body:find('"active":true', 1, true) then
      done_count = done_count + 1
    else
      odd_count = odd_count + 1
    end
  end
end

function done(summary, latency)
  local errors, odd, count, lacking = summary.errors, 0, 0, 0
  for _, thread in ipairs(threads) do
    odd, count = odd + thread:get("odd_count"), count + thread:get("done_count")
    lacking = lacking + thread:get("lacking_count")
  end
  io.write(string.format('\nRESULT {"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"odd":%d,"count":%d,"lacking":%d,'
    .. '"p50":%d,"p99":%d}\n', summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, odd, count, lacking,
    latency:percentile(50), latency:percentile(99)))
end
